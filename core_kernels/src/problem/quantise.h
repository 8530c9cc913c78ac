#pragma once

// The values of an int8 cache: code * scale, with codes that this rule gives. Every back end
// follows it to the bit, so that caches do not depend on who wrote them.
//
//   code = round(clamp(x * (1 / scale), -127, 127)), and 0 where that is NaN
//
// in fp32: one rounded reciprocal per head, one rounded product per value, ties to even. A product
// is exact on every vector unit, a quotient is not. Codes are symmetric, so that -x has the code
// -code; -128 would be further from 0 than any positive code and is never written.

#include <cstdint>

namespace fa {

inline constexpr float kMostCode = 127.0f;

inline int8_t quantised(float x, float inverse_scale) {
  constexpr float kInteger = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float scaled = x * inverse_scale;
  scaled = scaled == scaled ? scaled : 0.0f;
  scaled = scaled < -kMostCode ? -kMostCode : scaled;
  scaled = scaled > kMostCode ? kMostCode : scaled;
  return static_cast<int8_t>((scaled + kInteger) - kInteger);
}

}  // namespace fa
