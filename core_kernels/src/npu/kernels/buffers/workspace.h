#pragma once

// Workspace in GM of one core: what cube and vector cores hand to each other, one slot per unit in
// flight. It stays in L2.

#include "kernel_operator.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

template <typename Config>
struct Workspace {
  using T = typename Config::Element;
  static constexpr int32_t kScoreElements = TaskRows<Config>::kCube * Stack<Config>::kKeys;
  static constexpr int32_t kPartialElements = TaskRows<Config>::kCube * Config::kValueDim;
  static constexpr int64_t kSlotBytes =
      kScoreElements * (sizeof(float) + sizeof(T)) + kPartialElements * sizeof(float);
  static constexpr int32_t kKeyElements = Stack<Config>::kKeys * Config::kHeadDim;
  static constexpr int32_t kValueElements = Stack<Config>::kKeys * Config::kValueDim;
  static constexpr int64_t kStackBytes =
      Config::kInt8 ? (kKeyElements + kValueElements) * sizeof(T) : 0;
  static constexpr int64_t kBytesPerCore = kUnitsInFlight * kSlotBytes + kStackSlots * kStackBytes;

  __aicore__ inline Workspace(uint64_t base, int64_t core) {
    for (int32_t slot = 0; slot < kUnitsInFlight; ++slot) {
      uint64_t at = base + static_cast<uint64_t>(core * kBytesPerCore + slot * kSlotBytes);
      scores[slot].SetGlobalBuffer(reinterpret_cast<__gm__ float*>(at));
      at += kScoreElements * sizeof(float);
      partial[slot].SetGlobalBuffer(reinterpret_cast<__gm__ float*>(at));
      at += kPartialElements * sizeof(float);
      probs[slot].SetGlobalBuffer(reinterpret_cast<__gm__ T*>(at));
    }
    const uint64_t stacks =
        base + static_cast<uint64_t>(core * kBytesPerCore + kUnitsInFlight * kSlotBytes);
    for (int32_t slot = 0; slot < kStackSlots && Config::kInt8; ++slot) {
      const uint64_t at = stacks + static_cast<uint64_t>(slot * kStackBytes);
      keys[slot].SetGlobalBuffer(reinterpret_cast<__gm__ T*>(at));
      values[slot].SetGlobalBuffer(reinterpret_cast<__gm__ T*>(at + kKeyElements * sizeof(T)));
    }
  }

  AscendC::GlobalTensor<float> scores[kUnitsInFlight];   // [rows, stack keys]
  AscendC::GlobalTensor<float> partial[kUnitsInFlight];  // [rows, value dim rounded up to 16]
  AscendC::GlobalTensor<T> probs[kUnitsInFlight];        // [rows, stack keys]
  // Of an int8 cache, cast: [stack keys, stack_pitch(dim)].
  AscendC::GlobalTensor<T> keys[kStackSlots], values[kStackSlots];
};

}  // namespace fa::npu
