#pragma once

// Learnable sinks, read on the device in whatever dtype they have.

#include "fa/dtype.h"
#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/schedule.h"

namespace fa::npu {

class SinkTable {
 public:
  __aicore__ inline explicit SinkTable(const SinkArgs& args) : args_(args) {
    words_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(args.values));
    halves_.SetGlobalBuffer(reinterpret_cast<__gm__ uint16_t*>(args.values));
  }

  __aicore__ inline bool given() const { return args_.values != 0; }

  // The sink of each row, by its query head.
  __aicore__ inline void write(const AscendC::LocalTensor<float>& to, const Task& task,
                               Rows rows) const {
    const int32_t size = task.heads.size;
    for (int32_t ahead = 0; ahead < lesser(size, rows.count); ++ahead) {
      const float sink = at(task.heads.row(rows.first + ahead).q_head);
      for (int32_t row = ahead; row < rows.count; row += size) {
        to.SetValue(static_cast<uint32_t>(row), sink);
      }
    }
  }

 private:
  __aicore__ inline float at(int32_t head) const {
    const uint64_t index = static_cast<uint64_t>(head * args_.stride);
    if (args_.dtype == static_cast<int32_t>(DType::kFloat32)) return words_.GetValue(index);
    const uint32_t bits = halves_.GetValue(index);
    if (args_.dtype == static_cast<int32_t>(DType::kBFloat16)) return as_float(bits << 16);
    return from_fp16(bits);
  }

  // fp16 has 5 bits of exponent with bias 15, fp32 8 with bias 127. Subnormals through a product.
  __aicore__ static inline float from_fp16(uint32_t bits) {
    const uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
    if (rest >= 0x7c00u) return as_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest >= 0x0400u) return as_float(sign | ((rest << 13) + (112u << 23)));
    const float value = static_cast<float>(rest) * kSmallestFp16;
    return sign != 0 ? -value : value;
  }

  __aicore__ static inline float as_float(uint32_t bits) {
    return *reinterpret_cast<const float*>(&bits);
  }

  static constexpr float kSmallestFp16 = 1.0f / (1 << 24);

  SinkArgs args_;
  AscendC::GlobalTensor<float> words_;
  AscendC::GlobalTensor<uint16_t> halves_;
};

}  // namespace fa::npu
