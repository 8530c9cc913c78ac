#pragma once

// What distinguishes one instantiation of the forward kernel from another.

#include <cstdint>

namespace fa::npu {

template <typename T, int32_t kHeadDims, int32_t kValueDims, bool kWithExtras>
struct KernelConfig {
  using Element = T;
  static constexpr int32_t kHeadDim = kHeadDims;  // the largest of the bucket
  static constexpr int32_t kValueDim = kValueDims;
  static constexpr bool kExtras = kWithExtras;  // rare work on the scores is compiled in
};

}  // namespace fa::npu
