#pragma once

// L1 to L0 to the cube to GM: products that are summed over as many steps of k as it takes. Between
// cube and store each block of L0C has a unit flag, so that the store follows the last step
// closely, and the first step of the next product in turn follows the store. Loads to L0 and
// products are the tile components of CATLASS.

#include "kernel_operator.h"

// After kernel_operator.h, which they take for granted.
#include "catlass/arch/arch.hpp"
#include "catlass/gemm/gemm_type.hpp"
#include "catlass/gemm/tile/copy_l1_to_l0a.hpp"
#include "catlass/gemm/tile/copy_l1_to_l0b.hpp"
#include "catlass/gemm/tile/tile_mmad.hpp"
#include "catlass/layout/layout.hpp"
#include "npu/kernels/buffers/l0_layout.h"
#include "npu/kernels/flags.h"

namespace fa::npu {

// A place in L0C.
enum class Accumulator : int32_t { kScores, kOutput };

struct ProductShape {
  int32_t m, n, k;
};

// Of the sum over k.
struct Step {
  bool first, last;
};

template <typename Config>
class Matmul {
 public:
  using T = typename Config::Element;
  using Layout = L0Layout;
  using Event = AscendC::HardEvent;

  __aicore__ inline Matmul() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      const uint32_t at = static_cast<uint32_t>(slot * Layout::kTileBytes);
      left_[slot] = AscendC::LocalTensor<T>(AscendC::TPosition::A2, at, kTile * kTile);
      right_[slot] = AscendC::LocalTensor<T>(AscendC::TPosition::B2, at, kTile * kTile);
      set_event<Event::M_MTE1>(L0Event::kOperands, slot);
    }
    for (int32_t place = 0; place < Layout::kAccumulators; ++place) {
      result_[place] = AscendC::LocalTensor<float>(
          AscendC::TPosition::CO1, static_cast<uint32_t>(place * Layout::kAccumulatorBytes),
          kTile * kTile);
    }
    AscendC::SetMMLayoutTransform(true);  // the cube goes along rows, as the store does
    constexpr uint16_t kOneMatrix = 1;
    AscendC::SetFixpipeNz2ndFlag(kOneMatrix, 0, 1);  // the store's; no strides between matrices
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::M_MTE1>(L0Event::kOperands, slot);
    }
    AscendC::SetMMLayoutTransform(false);
  }

  // Before the operands of a step are loaded.
  __aicore__ inline void open_step() {
    wait_event<Event::M_MTE1>(L0Event::kOperands, operand_slot_);
  }

  // A, m x k, from columns of `pitch` rows in L1.
  __aicore__ inline void load_left(const AscendC::LocalTensor<T>& from, ProductShape shape,
                                   int32_t pitch) {
    LoadLeft()(left_[operand_slot_], from, zZ::MakeLayout<T>(size(shape.m), size(shape.k)),
               zN::MakeLayout<T>(size(pitch), size(shape.k)));
  }

  // B, k x n, of which L1 holds rows of n (keys): its fractals lie as L0B wants them.
  __aicore__ inline void load_right_by_rows(const AscendC::LocalTensor<T>& from,
                                            ProductShape shape) {
    const nZ layout = nZ::MakeLayout<T>(size(shape.k), size(shape.n));
    LoadRightByRows()(right_[operand_slot_], from, layout, layout);
  }

  // The same where L1 holds the rows in parts: `count` of them from n = `first` on.
  __aicore__ inline void load_right_part(const AscendC::LocalTensor<T>& from, ProductShape shape,
                                         int32_t first, int32_t count) {
    const int32_t part_rows = round_up(count, Arch::kFractal);
    const int32_t all_rows = round_up(shape.n, Arch::kFractal);
    const nZ band = nZ::MakeLayout<T>(Arch::kFractal, size(count));
    for (int32_t k = 0; k < shape.k; k += Arch::kFractal) {
      LoadRightByRows()(right_[operand_slot_][size(k * all_rows + first * Arch::kFractal)],
                        from[size(k * part_rows)], band, band);
    }
  }

  // B, k x n, of which L1 holds rows of k (values): each fractal is transposed.
  __aicore__ inline void load_right_by_columns(const AscendC::LocalTensor<T>& from,
                                               ProductShape shape) {
    LoadRightByColumns()(right_[operand_slot_], from,
                         nZ::MakeLayout<T>(size(shape.k), size(shape.n)),
                         zN::MakeLayout<T>(size(shape.k), size(shape.n)));
  }

  // C = A B for the first step, C += A B for the others. Rows of A beyond m hold anything; they are
  // computed, never stored. k is exact: rows of B beyond it may hold anything too.
  __aicore__ inline void multiply(Accumulator to, ProductShape shape, Step step) {
    set_event<Event::MTE1_M>(L0Event::kOperands, operand_slot_);
    wait_event<Event::MTE1_M>(L0Event::kOperands, operand_slot_);
    Product()(result_[place(to)], left_[operand_slot_], right_[operand_slot_],
              size(round_up(shape.m, Arch::kFractal)), size(round_up(shape.n, Arch::kFractal)),
              size(shape.k), step.first, step.last ? kUnitFlagTurn : kUnitFlagCheck);
    set_event<Event::M_MTE1>(L0Event::kOperands, operand_slot_);
    operand_slot_ = 1 - operand_slot_;
  }

  // What FIX does from here on comes after the reads of all operands so far: it may tell others
  // that their places are free.
  __aicore__ inline void order_store_after_loads() {
    set_event<Event::M_FIX>(CubeEvent::kOperandsRead);
    wait_event<Event::M_FIX>(CubeEvent::kOperandsRead);
  }

  // C to rows of `pitch` elements in GM. Fixpipe puts a barrier before each store, which then waits
  // until the last one is in memory; DataCopy does not, but takes columns of 16 only.
  __aicore__ inline void store(Accumulator from, const AscendC::GlobalTensor<float>& to,
                               ProductShape shape, int32_t pitch) {
    if (shape.n % Arch::kFractal != 0) return store_odd(from, to, shape, pitch);
    AscendC::DataCopyCO12DstParams params;
    params.nSize = static_cast<uint16_t>(shape.n);
    params.mSize = static_cast<uint16_t>(shape.m);
    params.srcStride = static_cast<uint16_t>(round_up(shape.m, Arch::kFractal));
    params.dstStride = static_cast<uint32_t>(pitch);
    params.unitFlag = kUnitFlagTurn;
    params.nz2ndEn = true;
    AscendC::DataCopy(to, result_[place(from)], params);
  }

 private:
  using Chip = Catlass::Arch::AtlasA2;
  using zN = Catlass::layout::zN;
  using nZ = Catlass::layout::nZ;
  using zZ = Catlass::layout::zZ;
  template <typename Order>
  using InL1 = Catlass::Gemm::GemmType<T, Order, AscendC::TPosition::A1>;
  using LoadLeft = Catlass::Gemm::Tile::CopyL1ToL0A<Chip, InL1<zN>>;
  using LoadRightByRows = Catlass::Gemm::Tile::CopyL1ToL0B<Chip, InL1<nZ>>;
  using LoadRightByColumns = Catlass::Gemm::Tile::CopyL1ToL0B<Chip, InL1<zN>>;
  using Product = Catlass::Gemm::Tile::TileMmad<Chip, InL1<zN>, InL1<nZ>, void>;

  static constexpr uint8_t kUnitFlagCheck = 2;  // wait for the other side
  static constexpr uint8_t kUnitFlagTurn = 3;   // and hand over to it

  __aicore__ inline void store_odd(Accumulator from, const AscendC::GlobalTensor<float>& to,
                                   ProductShape shape, int32_t pitch) {
    AscendC::FixpipeParamsV220 params;
    params.nSize = static_cast<uint16_t>(shape.n);
    params.mSize = static_cast<uint16_t>(shape.m);
    params.srcStride = static_cast<uint16_t>(round_up(shape.m, Arch::kFractal));
    params.dstStride = static_cast<uint32_t>(pitch);
    params.dstNdStride = 1;  // as SetFixpipeNz2ndFlag has it
    params.unitFlag = kUnitFlagTurn;
    AscendC::Fixpipe<float, float, AscendC::CFG_ROW_MAJOR>(to, result_[place(from)], params);
  }

  __aicore__ static inline int32_t place(Accumulator which) { return static_cast<int32_t>(which); }

  __aicore__ static inline uint32_t size(int32_t elements) {
    return static_cast<uint32_t>(elements);
  }

  AscendC::LocalTensor<T> left_[Layout::kSlots], right_[Layout::kSlots];
  AscendC::LocalTensor<float> result_[Layout::kAccumulators];
  int32_t operand_slot_ = 0;
};

}  // namespace fa::npu
