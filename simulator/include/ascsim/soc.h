// Sizes of the AI core of dav-2201 (Atlas A2/A3: Ascend 910B, 910C).
//
// Source: platform_config/cann/Ascend910B*.ini of the CANN runtime and the architecture page
// "NPU架构版本2201" of the Ascend C guide; identical in all variants of the chip.
#pragma once

#include <cstdint>

#include "ascsim/types.h"

namespace ascsim {

struct Soc {
  static constexpr int kMaxCores = 24;  // AI cores of the largest variant: 1 AIC + 2 AIV each
  static constexpr int kAivPerCore = 2;
  static constexpr int64_t kUbBytes = 192 * 1024;
  static constexpr int64_t kL1Bytes = 512 * 1024;
  static constexpr int64_t kL0aBytes = 64 * 1024;
  static constexpr int64_t kL0bBytes = 64 * 1024;
  static constexpr int64_t kL0cBytes = 128 * 1024;
  static constexpr int64_t kBtBytes = 1024;
  static constexpr int64_t kFbBytes = 7 * 1024;
  // The last bytes of UB and L1 belong to the system.
  static constexpr int64_t kReservedBytes = 256;
  // Where Select (modes 1 and 2) and some high-level functions keep temporaries, unless the kernel
  // is compiled with --cce-disable-asc-reserved-ubuf.
  static constexpr int64_t kUbTemporaryBegin = 184 * 1024;
  static constexpr int kEventIds = 8;
  static constexpr int kCrossFlags = 16;
  static constexpr int kCrossFlagLimit = 15;  // sets that may be pending on one flag of one core
  static constexpr int kSyncAllFlag = 11;     // the first of four that SyncAll uses
  static constexpr int kSyncAllFlags = 4;
  static constexpr int kQueueDepth = 32;  // instructions waiting in one pipe
};

constexpr int64_t capacity_of(Memory memory) {
  switch (memory) {
    case Memory::kGm:
      return INT64_MAX;
    case Memory::kUb:
      return Soc::kUbBytes;
    case Memory::kL1:
      return Soc::kL1Bytes;
    case Memory::kL0a:
      return Soc::kL0aBytes;
    case Memory::kL0b:
      return Soc::kL0bBytes;
    case Memory::kL0c:
      return Soc::kL0cBytes;
    case Memory::kBt:
      return Soc::kBtBytes;
    case Memory::kFb:
      return Soc::kFbBytes;
  }
  return 0;
}

}  // namespace ascsim
