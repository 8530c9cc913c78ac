#pragma once

// What distinguishes one instantiation of the forward kernel from another.

#include <cstdint>

namespace fa::npu {

template <typename T, int32_t kHeadDims, int32_t kValueDims, bool kWithExtras, bool kOfInt8>
struct KernelConfig {
  using Element = T;
  static constexpr int32_t kHeadDim = kHeadDims;  // the largest of the bucket
  static constexpr int32_t kValueDim = kValueDims;
  static constexpr bool kExtras = kWithExtras;  // rare work on the scores is compiled in
  static constexpr bool kInt8 = kOfInt8;        // of a cache in int8, see stack_caster.h
};

// Of the mla kernels: scores are products of up to 576 columns, those of q and of qv side by side.
template <typename T>
struct MlaConfig {
  using Element = T;
  static constexpr int32_t kHeadDim = 576;
  static constexpr int32_t kValueDim = 512;
  static constexpr bool kExtras = false;
  static constexpr bool kInt8 = false;
};

}  // namespace fa::npu
