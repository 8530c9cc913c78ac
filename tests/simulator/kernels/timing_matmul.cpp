// C = A B^T of halves on a grid of 4 x 6 cores, tiles of 128 x 256 x 64 (example
// matmul_high_performance, cases 6 to 8): 512 columns of A and 256 of B per move, two of each in
// L1, all buffers double but L0C, which one tile fills.
#include "kernel_operator.h"
#include "priced.h"

using namespace AscendC;

namespace {

constexpr uint32_t kM = 128, kN = 256, kK = 64, kMoveA = 512, kMoveB = 256;
constexpr uint32_t kGridM = 4, kGridN = 6;

struct Slots {
  uint32_t a = 0, b = 0, l0 = 0;
};

// Moves of 512 and 256 columns need events of their own: 0, 1 for A, 2, 3 for B.
void load_l1(uint32_t slot, uint64_t address, priced::Rows rows) {
  WaitFlag<HardEvent::MTE1_MTE2>(slot);
  priced::move(ascsim::MovePath::kGmToL1, address, rows, true);
  SetFlag<HardEvent::MTE2_MTE1>(slot);
}

void step(Slots& slots, uint32_t k, uint32_t depth, uint64_t a, uint64_t b, uint64_t row_bytes,
          bool unit_flag) {
  if (k % kMoveA == 0)
    load_l1(slots.a, a + k * 2, {kM, kMoveA * 2, static_cast<int64_t>(row_bytes)});
  if (k % kMoveB == 0) {
    load_l1(2 + slots.b, b + k * 2, {kN, kMoveB * 2, static_cast<int64_t>(row_bytes)});
  }
  WaitFlag<HardEvent::M_MTE1>(slots.l0);
  if (k % kMoveA == 0) WaitFlag<HardEvent::MTE2_MTE1>(slots.a);
  priced::load(ascsim::Memory::kL0a, kM * kK * 2);
  if (k % kMoveB == 0) WaitFlag<HardEvent::MTE2_MTE1>(2 + slots.b);
  priced::load(ascsim::Memory::kL0b, kN * kK * 2);
  if ((k + kK) % kMoveA == 0) {
    SetFlag<HardEvent::MTE1_MTE2>(slots.a);
    slots.a ^= 1;
  }
  if ((k + kK) % kMoveB == 0) {
    SetFlag<HardEvent::MTE1_MTE2>(2 + slots.b);
    slots.b ^= 1;
  }
  SetFlag<HardEvent::MTE1_M>(slots.l0);
  WaitFlag<HardEvent::MTE1_M>(slots.l0);
  priced::mmad({kM, kN, kK}, unit_flag ? (k + kK == depth ? 3 : 2) : 0);
  SetFlag<HardEvent::M_MTE1>(slots.l0);
  slots.l0 ^= 1;
}

}  // namespace

extern "C" __global__ __aicore__ void timing_matmul(uint32_t rows, uint32_t columns, uint32_t depth,
                                                    uint32_t unit_flag) {
  const uint32_t core = static_cast<uint32_t>(GetBlockIdx());
  const uint32_t per_n = (columns / kN + kGridN - 1) / kGridN * kN;
  const uint32_t half = rows / kGridM / 2;
  const uint32_t n0 = core % kGridN * per_n, n1 = std::min(columns, n0 + per_n);
  const uint64_t row_bytes = uint64_t{depth} * 2;
  Slots slots;
  for (int i = 0; i < 4; ++i) SetFlag<HardEvent::MTE1_MTE2>(i);
  for (int i = 0; i < 2; ++i) SetFlag<HardEvent::M_MTE1>(i);
  if (unit_flag == 0) SetFlag<HardEvent::FIX_M>(0);
  for (uint32_t part = 0; part < 2; ++part) {  // keeps half of A in L2 at a time
    const uint32_t m0 = (part * kGridM + core / kGridN) * half;
    for (uint32_t n = n0; n < n1; n += kN) {
      for (uint32_t m = m0; m < m0 + half; m += kM) {
        if (unit_flag == 0) WaitFlag<HardEvent::FIX_M>(0);
        for (uint32_t k = 0; k < depth; k += kK) {
          step(slots, k, depth, priced::gm(1, m * row_bytes), priced::gm(2, n * row_bytes),
               row_bytes, unit_flag != 0);
        }
        if (unit_flag == 0) {
          SetFlag<HardEvent::M_FIX>(0);
          WaitFlag<HardEvent::M_FIX>(0);
        }
        priced::fixpipe({kM, kN, 0}, 2, priced::gm(3, (uint64_t{m} * columns + n) * 2),
                        int64_t{columns} * 2, unit_flag != 0 ? 3 : 0);
        if (unit_flag == 0) SetFlag<HardEvent::FIX_M>(0);
      }
    }
  }
  for (int i = 0; i < 4; ++i) WaitFlag<HardEvent::MTE1_MTE2>(i);
  for (int i = 0; i < 2; ++i) WaitFlag<HardEvent::M_MTE1>(i);
  if (unit_flag == 0) WaitFlag<HardEvent::FIX_M>(0);
}

ASC_KERNEL(timing_matmul, ascsim::KernelKind::kCube);
