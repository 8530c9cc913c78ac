// Number formats of the chip on the host.
//
// Rounding: "Cast" page and cast tables of the Ascend C documentation; binary16 and bfloat16 follow
// IEEE 754 with INF/NAN mode on (the default of A2/A3) and denormals kept.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "ascsim/core.h"
#include "ascsim/types.h"

namespace ascsim {

template <typename To, typename From>
inline To bits_as(From value) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, value);
}

// binary16 without host instructions for it and without branches, so that loops vectorise
// everywhere. Exact; denormals are kept.
inline float from_fp16(uint16_t half) {
  const uint32_t magnitude = half & 0x7fffu;
  const float scaled = bits_as<float>(magnitude << 13) * 0x1p112f;
  const uint32_t special = magnitude >= 0x7c00u ? 0x7f800000u : 0u;  // infinities and NaN
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  return bits_as<float>(bits_as<uint32_t>(scaled) | special | sign);
}

// To nearest, ties to even; above the largest half: infinity. A NaN keeps its upper bits.
inline uint16_t to_fp16(float value) {
  const uint32_t wide = bits_as<uint32_t>(value);
  const uint32_t magnitude = wide & 0x7fffffffu;
  // Below 2^-14 the unit of a half is that of a float between 0.5 and 1: the addition rounds.
  const uint32_t denormal = bits_as<uint32_t>(bits_as<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t finite = magnitude < 0x38800000u ? denormal : normal;
  const uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  const uint32_t special = magnitude > 0x7f800000u ? nan : 0x7c00u;
  const uint32_t result = magnitude >= 0x47800000u ? special : finite;
  return static_cast<uint16_t>(result | ((wide >> 16) & 0x8000u));
}

inline float from_bf16(uint16_t bits) { return bits_as<float>(static_cast<uint32_t>(bits) << 16); }

inline uint16_t to_bf16(float value) {
  const uint32_t wide = bits_as<uint32_t>(value);
  if ((wide & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((wide >> 16) | 0x40u);
  return static_cast<uint16_t>((wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16);
}

// target[i] = op(target[i], source[i]) over `bytes` bytes of `dtype`.
void combine_atomic(AtomicOp op, DType dtype, uint8_t* target, const uint8_t* source,
                    int64_t bytes);

}  // namespace ascsim
