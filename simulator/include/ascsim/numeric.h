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

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float float_of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline float from_fp16(uint16_t bits) {
  _Float16 value;
  std::memcpy(&value, &bits, sizeof(value));
  return static_cast<float>(value);
}

// To nearest, ties to even.
inline uint16_t to_fp16(float value) {
  const _Float16 narrow = static_cast<_Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &narrow, sizeof(bits));
  return bits;
}

inline float from_bf16(uint16_t bits) { return float_of_bits(static_cast<uint32_t>(bits) << 16); }

inline uint16_t to_bf16(float value) {
  const uint32_t wide = bits_of(value);
  if ((wide & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((wide >> 16) | 0x40u);
  return static_cast<uint16_t>((wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16);
}

// target[i] = op(target[i], source[i]) over `bytes` bytes of `dtype`.
void combine_atomic(AtomicOp op, DType dtype, uint8_t* target, const uint8_t* source,
                    int64_t bytes);

}  // namespace ascsim
