#pragma once

// The scales of an int8 cache (problem/quantise.h), one per KV head, or per sequence and KV head.

#include "kernel_operator.h"
#include "npu/kernel_args.h"

namespace fa::npu {

class HeadScales {
 public:
  __aicore__ inline explicit HeadScales(const ScaleArgs& args) : args_(args) {
    values_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(args.values));
  }

  // Whether the cache is in int8.
  __aicore__ inline bool given() const { return args_.values != 0; }

  __aicore__ inline float at(int32_t batch, int32_t head) const {
    return values_.GetValue(
        static_cast<uint64_t>(batch * args_.batch_stride + head * args_.head_stride));
  }

 private:
  ScaleArgs args_;
  AscendC::GlobalTensor<float> values_;
};

}  // namespace fa::npu
