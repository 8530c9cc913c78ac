#pragma once

// Lengths and first tokens of the sequences of a batch, read on the device. Values out of range are
// clamped, so that nothing outside of the tensors is ever addressed.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

struct Sequence {
  int32_t first = 0;  // token of a packed tensor; 0 if padded
  int32_t length = 0;
};

class SequenceTable {
 public:
  __aicore__ inline explicit SequenceTable(const LengthArgs& args) : args_(args) {
    starts_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.cu_seqlens));
    used_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.seqused));
  }

  __aicore__ inline Sequence at(int32_t batch) const {
    Sequence sequence{0, args_.limit};
    if (args_.cu_seqlens != 0) {
      sequence.first = clamp(starts_.GetValue(batch), args_.tokens);
      const int32_t end = clamp(starts_.GetValue(batch + 1), args_.tokens);
      sequence.length = clamp(end - sequence.first, args_.limit);
    }
    if (args_.seqused != 0) sequence.length = clamp(used_.GetValue(batch), sequence.length);
    return sequence;
  }

 private:
  __aicore__ static inline int32_t clamp(int32_t value, int32_t limit) {
    return greater(0, lesser(value, limit));
  }

  LengthArgs args_;
  AscendC::GlobalTensor<int32_t> starts_, used_;
};

}  // namespace fa::npu
