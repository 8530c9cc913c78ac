// Vectors and elementary functions over GCC vector types. Each ISA unit defines FA_LANES, then
// includes this file first inside its own namespace, so that code compiled with different flags
// never shares a name. No #pragma once: one inclusion per ISA unit is the point.

namespace {

constexpr int kLanes = FA_LANES;
typedef float VecF __attribute__((vector_size(FA_LANES * 4)));
typedef int32_t VecI __attribute__((vector_size(FA_LANES * 4)));
typedef uint32_t VecU __attribute__((vector_size(FA_LANES * 4)));
typedef uint16_t VecH __attribute__((vector_size(FA_LANES * 2)));
typedef int8_t VecB __attribute__((vector_size(FA_LANES)));

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kInfinity = __builtin_inff();

template <typename Vec>
inline Vec load(const void* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <typename Vec>
inline void store(void* p, Vec v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// kLanes values of int8. In two steps, since compilers take the direct one apart.
inline VecF codes_to_floats(const void* p) {
  return __builtin_convertvector(__builtin_convertvector(load<VecB>(p), VecI), VecF);
}

inline VecF broadcast(float x) { return x - VecF{}; }

// What compilers make of these is one instruction, or several: then the unit names its own. A NaN
// in `b` is kept.
#if !defined(FA_MAX)
#define FA_MAX(a, b) ((a) > (b) ? (a) : (b))
#define FA_WIDEN(x) __builtin_convertvector(x, VecU)
#define FA_NARROW(x) __builtin_convertvector(x, VecH)
#endif
inline VecF max(VecF a, VecF b) { return FA_MAX(a, b); }
inline VecU widened(VecH x) { return FA_WIDEN(x); }
inline VecH narrowed(VecU x) { return FA_NARROW(x); }

// 2^x for x <= 127; below 2^-126.5 the result is 0, as the bits of its power of two are. Degree-6
// minimax on [-0.5, 0.5], relative error 2.5e-9 before rounding.
inline VecF exp2(VecF x) {
  VecF clamped = max(broadcast(-127.0f), x);
  const VecF magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  VecF shifted = clamped + magic;
  VecF f = clamped - (shifted - magic);
  VecF p = broadcast(0.000154614446986f);
  p = p * f + 0.00134004281776f;
  p = p * f + 0.00961805667852f;
  p = p * f + 0.0555032722667f;
  p = p * f + 0.240226509223f;
  p = p * f + 0.693147206703f;
  p = p * f + 1.0f;
  VecI exponent = (load<VecI>(&shifted) + 127) << 23;
  return p * load<VecF>(&exponent);
}

// Odd polynomial below 0.6 (relative error 1e-9), exponential above.
inline VecF tanh(VecF y) {
  VecF magnitude = y < 0.0f ? -y : y;
  VecF u = y * y;
  VecF p = broadcast(0.00226950168416f);
  p = p * u - 0.00832318705828f;
  p = p * u + 0.0217625029074f;
  p = p * u - 0.0539584616275f;
  p = p * u + 0.133333001462f;
  p = p * u - 0.333333331494f;
  VecF small = y + y * u * p;
  VecF bounded = magnitude > 20.0f ? broadcast(20.0f) : magnitude;
  VecF large = 1.0f - 2.0f / (1.0f + exp2(bounded * (2.0f * kLog2E)));
  large = y < 0.0f ? -large : large;
  return magnitude < 0.6f ? small : large;
}

// Round to nearest even; a NaN keeps its sign and stays a NaN.
inline VecU bfloat16_bits(VecF x) {
  VecU bits = load<VecU>(&x);
  VecU rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  VecU quiet = (bits >> 16) | 0x40u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
}

}  // namespace
