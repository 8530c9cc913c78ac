#pragma once

// Sizes of dav-2201 (Ascend 910B, 910C) that buffer plans are checked against.
// Source: asc-devkit docs/zh/api, "NPU 架构版本 2201".

#include <cstdint>

namespace fa::npu {

struct Arch {
  static constexpr int32_t kL1Bytes = 512 * 1024 - 256;  // the last 256 bytes are the system's
  static constexpr int32_t kL0aBytes = 64 * 1024;
  static constexpr int32_t kL0bBytes = 64 * 1024;
  static constexpr int32_t kL0cBytes = 128 * 1024;
  // Without the last 8 KiB, which library functions such as Select use for themselves.
  static constexpr int32_t kUbBytes = 184 * 1024 - 256;
  static constexpr int32_t kUbBankBytes = 64 * 1024;  // of UB until the banks of a group change
  static constexpr int32_t kVectorCores = 2;          // per cube core
  static constexpr int32_t kBlockBytes = 32;          // unit of UB and L1
  static constexpr int32_t kLineBytes = 512;          // of L2, as moves request them
  static constexpr int32_t kFractal = 16;             // rows, and halves in a row, of a fractal
  static constexpr int32_t kFractalElements = kFractal * kFractal;
  static constexpr int32_t kVectorLanes = 64;        // fp32 values of one vector repeat
  static constexpr int32_t kBlockLanes = 8;          // fp32 values of a block
  static constexpr int32_t kMaxNd2NzStride = 65535;  // srcDValue, in elements
};

}  // namespace fa::npu
