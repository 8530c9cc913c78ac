// Rounding of the Cast instruction.
//
// Rules: "精度转换" page (precision_conversion): the part that does not fit decides, with the
// sign and the last bit that is kept. Values out of range: "Memory矢量计算接口边界值汇总", table 32
// (infinity for floats, saturation for integers, NaN becomes 0).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ops/vector_loops.h"

namespace ascsim {

// Whether to add one to what is kept. `rest` is cut off, `half` is half a unit of what is kept.
template <Rounding mode, typename U>
inline U carry(U kept, U rest, U half, bool negative) {
  const auto one = [](bool yes) { return static_cast<U>(yes ? 1 : 0); };
  if constexpr (mode == Rounding::kRint || mode == Rounding::kNone) {
    return one(rest + (kept & 1) > half);
  } else if constexpr (mode == Rounding::kFloor) {
    return one((rest != 0) & negative);
  } else if constexpr (mode == Rounding::kCeil) {
    return one((rest != 0) & !negative);
  } else if constexpr (mode == Rounding::kRound) {
    return one(rest >= half);
  } else if constexpr (mode == Rounding::kOdd) {
    return one((rest != 0) & ((kept & 1) == 0));
  } else {
    return 0;
  }
}

template <Rounding mode>
inline uint16_t round_to_half(float value) {
  if constexpr (mode == Rounding::kRint || mode == Rounding::kNone) return to_fp16(value);
  const uint32_t wide = bits_as<uint32_t>(value);
  const uint32_t magnitude = wide & 0x7fffffffu;
  const bool negative = (wide >> 31) != 0;
  const uint32_t exponent = magnitude >> 23;
  const bool small = exponent < 113;  // below 2^-14: a denormal half
  const uint32_t implicit = exponent == 0 ? 0u : 0x800000u;
  const uint32_t mantissa = (magnitude & 0x7fffffu) | implicit;
  const uint32_t deep = exponent > 95 ? 126 - exponent : 31;
  const uint32_t shift = small ? deep : 13;
  const uint32_t number = small ? mantissa : magnitude - 0x38000000u;
  const uint32_t kept = number >> shift;
  const uint32_t rest = number & ((1u << shift) - 1);
  const uint32_t finite = kept + carry<mode, uint32_t>(kept, rest, 1u << (shift - 1), negative);
  const uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const uint32_t result = magnitude >= 0x47800000u ? special : finite;
  return static_cast<uint16_t>(result | (negative ? 0x8000u : 0u));
}

template <Rounding mode>
inline uint16_t round_to_bf16(float value) {
  const uint32_t wide = bits_as<uint32_t>(value);
  const uint32_t kept = wide >> 16;
  const uint32_t up = carry<mode, uint32_t>(kept, wide & 0xffffu, 0x8000u, (wide >> 31) != 0);
  const bool nan = (wide & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(nan ? kept | 0x40u : kept + up);
}

// To an integer that is still a float.
template <Rounding mode>
inline float round_to_integral(float value) {
  if constexpr (mode == Rounding::kFloor) return std::floor(value);
  if constexpr (mode == Rounding::kCeil) return std::ceil(value);
  if constexpr (mode == Rounding::kTrunc) return std::trunc(value);
  if constexpr (mode == Rounding::kRound) {
    const float whole = std::trunc(value);
    const float up = std::fabs(value - whole) >= 0.5f ? 1.0f : 0.0f;
    return whole + std::copysign(up, value);
  }
  return std::rint(value);
}

template <typename T>
inline T saturated(float integral) {
  // 2^(bits - 1) or 2^bits, exact in float; the largest T itself may not be.
  constexpr float kAbove = static_cast<float>(std::numeric_limits<T>::max() / 2 + 1) * 2.0f;
  constexpr float kLowest = static_cast<float>(std::numeric_limits<T>::min());
  const bool inside = integral >= kLowest && integral < kAbove;
  const T value = static_cast<T>(inside ? integral : 0.0f);
  const T high = integral >= kAbove ? std::numeric_limits<T>::max() : value;
  return integral < kLowest ? std::numeric_limits<T>::min() : high;
}

// An integer to float, with 24 bits kept.
template <Rounding mode>
inline float integer_to_float(int64_t value) {
  const bool negative = value < 0;
  const uint64_t magnitude =
      negative ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const int length = magnitude == 0 ? 0 : 64 - __builtin_clzll(magnitude);
  const int shift = length > 24 ? length - 24 : 0;
  uint64_t kept = magnitude >> shift;
  if (shift > 0) {
    const uint64_t rest = magnitude & ((uint64_t{1} << shift) - 1);
    kept += carry<mode, uint64_t>(kept, rest, uint64_t{1} << (shift - 1), negative);
  }
  const float result = std::ldexp(static_cast<float>(kept), shift);
  return negative ? -result : result;
}

}  // namespace ascsim
