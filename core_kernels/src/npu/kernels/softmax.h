#pragma once

// Online softmax of one chunk of scores: rows in UB, probabilities out, maxima and sums carried on.

#include "kernel_operator.h"
#include "npu/kernels/buffers/ub_buffers.h"

namespace fa::npu {

// Below every score but -inf, so that a row without keys needs no case of its own: its
// probabilities are exp(-inf) = 0 and no difference is NaN.
inline constexpr float kLowest = -3.4028234663852886e38f;

struct ScoreScale {
  float scale;
  float softcap;  // 0 = off
};

template <typename Config>
class OnlineSoftmax {
 public:
  __aicore__ inline OnlineSoftmax(ScoreScale scale, UbBuffers<Config>& ub)
      : scale_(scale), ub_(ub) {
    AscendC::Duplicate(ub_.twos, 2.0f, Arch::kVectorLanes);
  }

  __aicore__ inline void open_task(int32_t task_slot) {
    AscendC::Duplicate(ub_.max[task_slot], kLowest, UbLayout<Config>::kRows);
    AscendC::Duplicate(ub_.sum[task_slot], 0.0f, UbLayout<Config>::kRows);
    vector_barrier();
  }

  // scores * scale, or cap * tanh(scores * scale / cap) as cap - cap * 2 / (exp(2x) + 1).
  __aicore__ inline void scale(const AscendC::LocalTensor<float>& scores, int32_t count) {
    if (scale_.softcap == 0.0f) {
      AscendC::Muls(scores, scores, scale_.scale, count);
      return vector_barrier();
    }
    AscendC::Muls(scores, scores, 2.0f * scale_.scale / scale_.softcap, count);
    vector_barrier();
    AscendC::Exp(scores, scores, count);
    vector_barrier();
    AscendC::Adds(scores, scores, 1.0f, count);
    vector_barrier();
    AscendC::Div(scores, ub_.twos, scores, Arch::kVectorLanes,
                 static_cast<uint8_t>(count / Arch::kVectorLanes),
                 AscendC::BinaryRepeatParams(1, 1, 1, 8, 0, 8));
    vector_barrier();
    AscendC::Muls(scores, scores, -scale_.softcap, count);
    vector_barrier();
    AscendC::Adds(scores, scores, scale_.softcap, count);
    vector_barrier();
  }

  // max, and alpha = exp(old max - max); leaves exp(scores - max) in place of the scores.
  __aicore__ inline void exponentiate(const AscendC::LocalTensor<float>& scores, Rows rows,
                                      int32_t width, int32_t task_slot, int32_t unit_slot) {
    const int32_t count = rows.count;
    const AscendC::LocalTensor<float> max = ub_.max[task_slot][rows.offset()];
    const AscendC::LocalTensor<float> alpha = ub_.alpha[unit_slot][rows.offset()];
    AscendC::BlockReduceMax(ub_.fold, scores, count * width / Arch::kVectorLanes,
                            Arch::kVectorLanes, 1, 1, Arch::kBlockLanes);
    vector_barrier();
    AscendC::WholeReduceMax(ub_.row_max, ub_.fold, width / Arch::kBlockLanes, count, 1, 1,
                            width / Arch::kVectorLanes, AscendC::ReduceOrder::ORDER_ONLY_VALUE);
    vector_barrier();
    AscendC::Max(ub_.new_max, max, ub_.row_max, count);
    vector_barrier();
    spread_rows(ub_.spread, ub_.new_max, rows.padded());
    AscendC::Sub(alpha, max, ub_.new_max, count);
    vector_barrier();
    AscendC::Adds(max, ub_.new_max, 0.0f, count);
    AscendC::Exp(alpha, alpha, count);
    for (int32_t column = 0; column < width; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> block = scores[static_cast<uint32_t>(column)];
      AscendC::Sub(block, block, ub_.spread, Arch::kVectorLanes, static_cast<uint8_t>(count),
                   by_row(width));
    }
    vector_barrier();
    AscendC::Exp(scores, scores, count * width);
    vector_barrier();
  }

  // sum = sum * alpha + row sums of the probabilities, in fp32 before they are rounded.
  __aicore__ inline void accumulate(const AscendC::LocalTensor<float>& probs, Rows rows,
                                    int32_t width, int32_t task_slot, int32_t unit_slot) {
    const int32_t count = rows.count;
    const AscendC::LocalTensor<float> sum = ub_.sum[task_slot][rows.offset()];
    AscendC::BlockReduceSum(ub_.fold, probs, count * width / Arch::kVectorLanes, Arch::kVectorLanes,
                            1, 1, Arch::kBlockLanes);
    AscendC::Mul(sum, sum, ub_.alpha[unit_slot][rows.offset()], count);
    vector_barrier();
    AscendC::WholeReduceSum(ub_.row_sum, ub_.fold, width / Arch::kBlockLanes, count, 1, 1,
                            width / Arch::kVectorLanes);
    vector_barrier();
    AscendC::Add(sum, sum, ub_.row_sum, count);
    vector_barrier();
  }

 private:
  ScoreScale scale_;
  UbBuffers<Config>& ub_;
};

}  // namespace fa::npu
