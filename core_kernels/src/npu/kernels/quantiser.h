#pragma once

// Rows of one token to the codes of an int8 cache, by the rule of problem/quantise.h.

#include "kernel_operator.h"
#include "npu/kernels/buffers/append_layout.h"
#include "npu/kernels/head_scales.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

template <typename T>
class Quantiser {
 public:
  __aicore__ inline explicit Quantiser(AppendBuffers<T>& ub) : ub_(ub) {}

  // Rows [heads, pitch], those of KV heads from `first` on, become codes. Rounded to integers
  // first, which makes 0 of NaN: the limits are integers, so that they cut off the same.
  __aicore__ inline void run(const HeadScales& scales, int32_t batch, int32_t first, int32_t heads,
                             int32_t pitch) {
    constexpr float kMostCode = 127.0f;
    const int32_t count = heads * pitch;
    const uint32_t elements = static_cast<uint32_t>(count);
    const AscendC::LocalTensor<float>& wide = ub_.wide;
    const auto whole = wide.template ReinterpretCast<int32_t>();
    const auto narrow = ub_.rows.template ReinterpretCast<half>();
    AscendC::Cast(wide, ub_.rows, AscendC::RoundMode::CAST_NONE, elements);
    vector_barrier();
    for (int32_t head = 0; head < heads; ++head) {
      const AscendC::LocalTensor<float> row = wide[static_cast<uint32_t>(head * pitch)];
      AscendC::Muls(row, row, 1.0f / scales.at(batch, first + head), pitch);
    }
    vector_barrier();
    AscendC::Cast(whole, wide, AscendC::RoundMode::CAST_RINT, elements);
    vector_barrier();
    AscendC::Cast(wide, whole, AscendC::RoundMode::CAST_NONE, elements);
    vector_barrier();
    AscendC::Mins(wide, wide, kMostCode, count);
    vector_barrier();
    AscendC::Maxs(wide, wide, -kMostCode, count);
    vector_barrier();
    AscendC::Cast(narrow, wide, AscendC::RoundMode::CAST_NONE, elements);
    vector_barrier();
    AscendC::Cast(ub_.codes, narrow, AscendC::RoundMode::CAST_NONE, elements);
  }

 private:
  AppendBuffers<T>& ub_;
};

}  // namespace fa::npu
