#pragma once

// Online softmax of one chunk of scores: rows in UB, probabilities out, maxima and sums carried on.

#include "kernel_operator.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

// Above every -scale * score but that of -inf, so that a row without keys needs no case of its own:
// its probabilities are exp(-inf) = 0 and no difference is NaN.
inline constexpr float kHighest = 3.4028234663852886e38f;

struct ScoreScale {
  float scale;
  float softcap;  // 0 = off
  bool biased;    // something is added to the scaled scores
};

template <typename Config>
class OnlineSoftmax {
 public:
  using Layout = UbLayout<Config>;

  // A positive scale without softcap and bias is applied on the way into exp, everything else
  // before.
  __aicore__ inline OnlineSoftmax(ScoreScale scale, UbBuffers<Config>& ub)
      : scale_(scale),
        scale_early_(scale.softcap != 0.0f || scale.biased || !(scale.scale > 0.0f)),
        late_scale_(scale_early_ ? 1.0f : scale.scale),
        ub_(ub) {
    AscendC::Duplicate(ub_.twos, 2.0f, Arch::kVectorLanes);
    AscendC::Duplicate(ub_.factors, late_scale_, Arch::kVectorLanes);
    for (int32_t part = 0; part < Layout::kParts; ++part) {
      AscendC::Duplicate(ub_.sum_fold[part], 0.0f, Layout::kSpreadBytes / Layout::kFloat);
      AscendC::Duplicate(ub_.part_max[part], 0.0f, Layout::kPartMaxBytes / Layout::kFloat);
    }
  }

  __aicore__ inline void open_task(int32_t task_slot) {
    AscendC::Duplicate(ub_.shift[task_slot], kHighest, Layout::kRows);
    AscendC::Duplicate(ub_.sum[task_slot], 0.0f, Layout::kRows);
    vector_barrier();
  }

  // Another positive factor on the scores of a task: of the keys of an int8 cache.
  __aicore__ inline void set_scale(float scale) {
    scale_.scale = scale;
    if (scale_early_) return;
    late_scale_ = scale;
    AscendC::Duplicate(ub_.factors, late_scale_, Arch::kVectorLanes);
    vector_barrier();
  }

  // Where the maxima of the task before are those of this one.
  __aicore__ inline void open_with_maxima(int32_t task_slot) {
    const int32_t before = (task_slot + kUnitsInFlight - 1) % kUnitsInFlight;
    AscendC::Adds(ub_.shift[task_slot], ub_.shift[before], 0.0f, Layout::kRows);
    vector_barrier();
  }

  // scores * scale, or cap * tanh(scores * scale / cap) as cap - cap * 2 / (exp(2x) + 1).
  __aicore__ inline void scale(const AscendC::LocalTensor<float>& scores, int32_t count) {
    if (!scale_early_) return;
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

  // shift = -scale * max and alpha = exp(old max - max), both scaled; leaves exp(scores - max) in
  // place of the scores.
  __aicore__ inline void exponentiate(const AscendC::LocalTensor<float>& scores, Rows rows,
                                      int32_t width, int32_t task_slot, int32_t unit_slot) {
    const int32_t count = rows.count;
    const AscendC::LocalTensor<float> shift = ub_.shift[task_slot][rows.offset()];
    const AscendC::LocalTensor<float> alpha = ub_.alpha[unit_slot][rows.offset()];
    row_maxima(scores, rows, width);
    for (int32_t part = 0; part < Layout::kParts && columns_of(part, width) > 0; ++part) {
      AscendC::Muls(ub_.row_max[part], ub_.row_max[part], -late_scale_, count);
      vector_barrier();
      AscendC::Min(ub_.new_shift, part == 0 ? shift : ub_.new_shift, ub_.row_max[part], count);
      vector_barrier();
    }
    spread_rows(ub_.spread, ub_.new_shift, rows.padded());
    AscendC::Sub(alpha, ub_.new_shift, shift, count);
    vector_barrier();
    AscendC::Adds(shift, ub_.new_shift, 0.0f, count);
    AscendC::Exp(alpha, alpha, count);
    const uint8_t step = static_cast<uint8_t>(width / Arch::kBlockLanes);
    for (int32_t column = 0; column < width; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> block = scores[static_cast<uint32_t>(column)];
      AscendC::FusedMulAdd(block, ub_.factors, ub_.spread, Arch::kVectorLanes,
                           static_cast<uint8_t>(count),
                           AscendC::BinaryRepeatParams(1, 1, 0, step, 0, 1));
    }
    vector_barrier();
    AscendC::Exp(scores, scores, count * width);
    vector_barrier();
  }

  // Eight sums for each row of probabilities, in fp32 before they are rounded.
  __aicore__ inline void fold_sums(const AscendC::LocalTensor<float>& probs, Rows rows,
                                   int32_t width) {
    AscendC::BlockReduceSum(ub_.fold, probs, rows.count * width / Arch::kVectorLanes,
                            Arch::kVectorLanes, 1, 1, Arch::kBlockLanes);
    vector_barrier();
    for (int32_t part = 0; part < Layout::kParts && columns_of(part, width) > 0; ++part) {
      AscendC::BlockReduceSum(ub_.sum_fold[part][rows.offset(Arch::kBlockLanes)],
                              ub_.fold[part * kPartFold], rows.count,
                              columns_of(part, width) / Arch::kBlockLanes, 1, 1,
                              width / Arch::kVectorLanes);
    }
    vector_barrier();
  }

  // sum = sum * alpha + row sums, once all rows of the unit are folded.
  __aicore__ inline void accumulate(Rows rows, int32_t width, int32_t task_slot,
                                    int32_t unit_slot) {
    const AscendC::LocalTensor<float>& sum = ub_.sum[task_slot];
    AscendC::Mul(sum, sum, ub_.alpha[unit_slot], rows.count);
    for (int32_t part = 0; part < Layout::kParts && columns_of(part, width) > 0; ++part) {
      const FoldedLanes lanes(columns_of(part, width));
      AscendC::BlockReduceSum(ub_.row_sum, ub_.sum_fold[part], rows.padded() / Arch::kBlockLanes,
                              lanes.mask, 1, 1, Arch::kBlockLanes);
      vector_barrier();
      AscendC::Add(sum, sum, ub_.row_sum, rows.count);
      vector_barrier();
    }
  }

 private:
  static constexpr uint32_t kPartFold = Layout::kPartKeys / Arch::kBlockLanes;

  __aicore__ static inline int32_t columns_of(int32_t part, int32_t width) {
    return lesser(Layout::kPartKeys, width - part * Layout::kPartKeys);
  }

  // Of a part of a row, folded to a block: one lane for each 64 columns.
  struct FoldedLanes {
    __aicore__ inline explicit FoldedLanes(int32_t columns) {
      constexpr uint64_t kEachBlock = 0x0101010101010101;
      mask[0] = kEachBlock * ((uint64_t{1} << (columns / Arch::kVectorLanes)) - 1);
    }
    uint64_t mask[2] = {0, 0};
  };

  __aicore__ inline void row_maxima(const AscendC::LocalTensor<float>& scores, Rows rows,
                                    int32_t width) {
    AscendC::BlockReduceMax(ub_.fold, scores, rows.count * width / Arch::kVectorLanes,
                            Arch::kVectorLanes, 1, 1, Arch::kBlockLanes);
    vector_barrier();
    const int32_t parts = (width + Layout::kPartKeys - 1) / Layout::kPartKeys;
    for (int32_t part = 0; part < parts; ++part) {
      AscendC::BlockReduceMax(ub_.part_max[part], ub_.fold[part * kPartFold], rows.count,
                              columns_of(part, width) / Arch::kBlockLanes, 1, 1,
                              width / Arch::kVectorLanes);
    }
    vector_barrier();
    for (int32_t part = 0; part < parts; ++part) {
      const FoldedLanes lanes(columns_of(part, width));
      AscendC::BlockReduceMax(ub_.row_max[part], ub_.part_max[part],
                              rows.padded() / Arch::kBlockLanes, lanes.mask, 1, 1,
                              Arch::kBlockLanes);
    }
    vector_barrier();
  }

  ScoreScale scale_;
  bool scale_early_;
  float late_scale_;
  UbBuffers<Config>& ub_;
};

}  // namespace fa::npu
