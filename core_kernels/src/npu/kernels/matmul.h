#pragma once

// L1 to L0 to the cube to GM. A step loads one pair of operands; it adds to one place of L0C, or to
// one for each half of the rows.

#include "kernel_operator.h"
#include "npu/kernels/buffers/l1_layout.h"
#include "npu/kernels/flags.h"

namespace fa::npu {

struct ProductShape {
  int32_t m, n, k;
};

template <typename Config>
class Matmul {
 public:
  using T = typename Config::Element;
  using Layout = CubeLayout<Config>;
  using Event = AscendC::HardEvent;

  __aicore__ inline Matmul() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      const uint32_t at = static_cast<uint32_t>(slot * Layout::kTileBytes);
      left_[slot] = AscendC::LocalTensor<T>(AscendC::TPosition::A2, at, kTile * kTile);
      right_[slot] = AscendC::LocalTensor<T>(AscendC::TPosition::B2, at, kTile * kTile);
      set_event<Event::M_MTE1>(L0Event::kOperands, slot);
    }
    for (int32_t place = 0; place < kAccumulators; ++place) {
      result_[place] = AscendC::LocalTensor<float>(
          AscendC::TPosition::CO1, static_cast<uint32_t>(place * Layout::kHalfBytes),
          place < Layout::kSlots ? Layout::kHalfRows * kTile : kTile * kTile);
      set_event<Event::FIX_M>(Accumulator::kScores, place);
    }
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::M_MTE1>(L0Event::kOperands, slot);
    }
    for (int32_t place = 0; place < kAccumulators; ++place) {
      wait_event<Event::FIX_M>(Accumulator::kScores, place);
    }
  }

  // Before the operands of a step are loaded, and between that and its products.
  __aicore__ inline void open_step() {
    wait_event<Event::M_MTE1>(L0Event::kOperands, operand_slot_);
  }
  __aicore__ inline void operands_loaded() {
    set_event<Event::MTE1_M>(L0Event::kOperands, operand_slot_);
    wait_event<Event::MTE1_M>(L0Event::kOperands, operand_slot_);
  }
  __aicore__ inline void close_step() {
    set_event<Event::M_MTE1>(L0Event::kOperands, operand_slot_);
    operand_slot_ = 1 - operand_slot_;
  }

  // A, m x k, from columns of `pitch` rows in L1: a band of 16 rows at a time.
  __aicore__ inline void load_left(const AscendC::LocalTensor<T>& from, ProductShape shape,
                                   int32_t pitch) {
    const int32_t bands = blocks(shape.m), along_k = blocks(shape.k);
    AscendC::LoadData2DParams params;
    params.repeatTimes = static_cast<uint8_t>(along_k);
    params.srcStride = static_cast<uint16_t>(blocks(pitch));
    for (int32_t band = 0; band < bands; ++band) {
      params.startIndex = static_cast<uint16_t>(band);
      AscendC::LoadData(left_[operand_slot_][fractals(band * along_k)], from, params);
    }
  }

  // B, k x n, of which L1 holds rows of n (keys): its fractals lie as L0B wants them.
  __aicore__ inline void load_right_by_rows(const AscendC::LocalTensor<T>& from,
                                            ProductShape shape) {
    AscendC::LoadData2DParams params;
    params.repeatTimes = static_cast<uint8_t>(blocks(shape.k) * blocks(shape.n));
    params.srcStride = 1;
    AscendC::LoadData(right_[operand_slot_], from, params);
  }

  // B, k x n, of which L1 holds rows of k (values): each fractal is transposed.
  __aicore__ inline void load_right_by_columns(const AscendC::LocalTensor<T>& from,
                                               ProductShape shape) {
    const int32_t along_k = blocks(shape.k), along_n = blocks(shape.n);
    AscendC::LoadData2DParams params;
    params.repeatTimes = static_cast<uint8_t>(along_n);
    params.srcStride = static_cast<uint16_t>(along_k);
    params.ifTranspose = true;
    for (int32_t band = 0; band < along_k; ++band) {
      params.startIndex = static_cast<uint16_t>(band);
      AscendC::LoadData(right_[operand_slot_][fractals(band * along_n)], from, params);
    }
  }

  // C = A B for the first step, C += A B for the others, with the rows of A from `first_row` on.
  // Rows of A beyond m hold anything; they are computed, never stored. k is exact: rows of B beyond
  // it may hold anything too.
  __aicore__ inline void multiply(Accumulator to, int32_t half, ProductShape shape,
                                  bool first_step) {
    if (first_step) wait_event<Event::FIX_M>(to, half);
    AscendC::MmadParams params;
    params.m = static_cast<uint16_t>(round_up(shape.m, Arch::kFractal));
    params.n = static_cast<uint16_t>(round_up(shape.n, Arch::kFractal));
    params.k = static_cast<uint16_t>(shape.k);
    params.cmatrixInitVal = first_step;
    // Few fractals of C: the next step would read sums that are still on their way (page "Mmad").
    constexpr int32_t kFractalsInFlight = 10;
    const bool few = blocks(shape.m) * blocks(shape.n) < kFractalsInFlight;
    if (few && !first_step) AscendC::PipeBarrier<PIPE_M>();
    const int32_t first = half * Layout::kHalfRows / Arch::kFractal * blocks(shape.k);
    AscendC::Mmad(result_[id_of(to, half)], left_[operand_slot_][fractals(first)],
                  right_[operand_slot_], params);
  }

  // C to rows of `pitch` elements in GM.
  __aicore__ inline void store(Accumulator from, int32_t half,
                               const AscendC::GlobalTensor<float>& to, ProductShape shape,
                               int32_t pitch) {
    set_event<Event::M_FIX>(from, half);
    wait_event<Event::M_FIX>(from, half);
    AscendC::FixpipeParamsV220 params;
    params.nSize = static_cast<uint16_t>(shape.n);
    params.mSize = static_cast<uint16_t>(shape.m);
    params.srcStride = static_cast<uint16_t>(round_up(shape.m, Arch::kFractal));
    params.dstStride = static_cast<uint32_t>(pitch);
    AscendC::Fixpipe<float, float, AscendC::CFG_ROW_MAJOR>(to, result_[id_of(from, half)], params);
    set_event<Event::FIX_M>(from, half);
  }

 private:
  static constexpr int32_t kAccumulators = 3;  // two of scores, one of output

  __aicore__ static inline int32_t blocks(int32_t elements) {
    return (elements + Arch::kFractal - 1) / Arch::kFractal;
  }
  __aicore__ static inline uint32_t fractals(int32_t count) {
    return static_cast<uint32_t>(count * Arch::kFractalElements);
  }

  AscendC::LocalTensor<T> left_[Layout::kSlots], right_[Layout::kSlots];
  AscendC::LocalTensor<float> result_[kAccumulators];
  int32_t operand_slot_ = 0;
};

}  // namespace fa::npu
