#pragma once

// What all vector code shares.

#include "kernel_operator.h"
#include "npu/kernels/arch.h"
#include "npu/kernels/caller.h"

namespace fa::npu {

inline constexpr float kMinusInfinity = -__builtin_huge_valf();

__aicore__ inline void vector_barrier(Caller caller = Caller::here()) {
  AscendC::PipeBarrier<PIPE_V>(FA_ONLY_AT(caller));
}

// spread[r, 0..8) = values[r]
template <typename E>
__aicore__ inline void spread_rows(const AscendC::LocalTensor<E>& spread,
                                   const AscendC::LocalTensor<E>& values, int32_t rows) {
  AscendC::Brcb(spread, values, static_cast<uint8_t>(rows / Arch::kBlockLanes),
                AscendC::BrcbRepeatParams(1, Arch::kBlockLanes));
}

// Places a tensor in UB, `at` bytes from its begin.
template <typename E>
__aicore__ inline void place_in_ub(AscendC::LocalTensor<E>& tensor, int32_t at, int32_t elements) {
  tensor = AscendC::LocalTensor<E>(AscendC::TPosition::VECCALC, static_cast<uint32_t>(at),
                                   static_cast<uint32_t>(elements));
}

}  // namespace fa::npu
