// Loops over contiguous elements, in a form that compilers vectorise: number formats as types with
// load and store, operations as function objects.
#pragma once

#include <cstdint>

#include "ascsim/numeric.h"
#include "ops/vector_elementwise.h"

// Several versions of a loop, of which the loader takes the best one for the machine. Clang and
// sanitizers do without.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ASCSIM_HOT __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ASCSIM_HOT
#endif

// dst may be a source itself, element by element; the loops below may still work on several
// elements at once.
#if defined(__clang__)
#define ASCSIM_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define ASCSIM_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace ascsim {

// A float whose rounding to half is that of the double: to odd, which keeps what was cut off
// visible.
inline float double_to_odd_float(double value) {
  constexpr uint64_t kCut = (uint64_t{1} << 29) - 1;
  const uint64_t bits = bits_as<uint64_t>(value);
  const uint64_t sticky = (bits & kCut) != 0 ? kCut + 1 : 0;
  return static_cast<float>(bits_as<double>((bits & ~kCut) | sticky));
}

// Formats: Stored is what lies in memory, Value what is computed with; one rounding at the store is
// that of the operation itself for + - * / and sqrt, as a float has more than twice the bits.
struct Fp32 {
  using Stored = float;
  using Value = float;
  static constexpr bool kFloating = true;
  static Value load(Stored s) { return s; }
  static Stored store(Value v) { return v; }
  static Stored store_double(double v) { return static_cast<float>(v); }
};

struct Fp16 {
  using Stored = uint16_t;
  using Value = float;
  static constexpr bool kFloating = true;
  static Value load(Stored s) { return from_fp16(s); }
  static Stored store(Value v) { return to_fp16(v); }
  static Stored store_double(double v) { return to_fp16(double_to_odd_float(v)); }
};

// Integers wrap (default mode of A2/A3; saturation is a mode that is not modelled).
template <typename T, typename Unsigned>
struct Integer {
  using Stored = T;
  using Value = T;
  static constexpr bool kFloating = false;
  static Value load(Stored s) { return s; }
  static Stored store(Value v) { return v; }
  static Unsigned wrap(Value v) { return static_cast<Unsigned>(v); }
};
using Int16 = Integer<int16_t, uint16_t>;
using Uint16 = Integer<uint16_t, uint16_t>;
using Int32 = Integer<int32_t, uint32_t>;
using Uint32 = Integer<uint32_t, uint32_t>;

template <typename Format>
typename Format::Value scalar_of(uint64_t bits) {
  typename Format::Stored stored;
  __builtin_memcpy(&stored, &bits, sizeof(stored));
  return Format::load(stored);
}

template <typename Format, typename Op>
ASCSIM_HOT void unary_loop(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
  auto* to = reinterpret_cast<typename Format::Stored*>(dst);
  const auto* x = reinterpret_cast<const typename Format::Stored*>(a);
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) to[l] = Format::store(Op::apply(Format::load(x[l])));
}

// For functions that are computed in double: one rounding at the end.
template <typename Format, typename Op>
ASCSIM_HOT void double_loop(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
  auto* to = reinterpret_cast<typename Format::Stored*>(dst);
  const auto* x = reinterpret_cast<const typename Format::Stored*>(a);
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) {
    to[l] = Format::store_double(Op::apply(static_cast<double>(Format::load(x[l]))));
  }
}

template <typename Format, typename Op>
ASCSIM_HOT void binary_loop(uint8_t* dst, const uint8_t* a, const uint8_t* b, int64_t n, uint64_t) {
  auto* to = reinterpret_cast<typename Format::Stored*>(dst);
  const auto* x = reinterpret_cast<const typename Format::Stored*>(a);
  const auto* y = reinterpret_cast<const typename Format::Stored*>(b);
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) {
    to[l] = Format::store(Op::apply(Format::load(x[l]), Format::load(y[l])));
  }
}

template <typename Format, typename Op>
ASCSIM_HOT void scalar_loop(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n,
                            uint64_t scalar) {
  auto* to = reinterpret_cast<typename Format::Stored*>(dst);
  const auto* x = reinterpret_cast<const typename Format::Stored*>(a);
  const typename Format::Value y = scalar_of<Format>(scalar);
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) to[l] = Format::store(Op::apply(Format::load(x[l]), y));
}

// ---- operations that the two-tensor and the scalar instructions share

template <typename T>
constexpr bool kIsFloat = false;
template <>
inline constexpr bool kIsFloat<float> = true;

// Unsigned and at least int wide, so that no product overflows.
template <typename T>
auto widened(T value) {
  return static_cast<uint32_t>(value);
}

struct AddOp {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (kIsFloat<T>)
      return a + b;
    else
      return static_cast<T>(widened(a) + widened(b));
  }
};

struct SubOp {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (kIsFloat<T>)
      return a - b;
    else
      return static_cast<T>(widened(a) - widened(b));
  }
};

struct MulOp {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (kIsFloat<T>)
      return a * b;
    else
      return static_cast<T>(widened(a) * widened(b));
  }
};

// NaN with anything is NaN, and -0 is below +0 ("Memory矢量计算接口边界值汇总", tables 13 and 14).
struct MaxOp {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (kIsFloat<T>) {
      const float same = bits_as<float>(bits_as<uint32_t>(a) & bits_as<uint32_t>(b));
      const float larger = a > b ? a : b;
      const float ordered = a == b ? same : larger;
      return ((a != a) | (b != b)) != 0 ? a + b : ordered;
    } else {
      return a > b ? a : b;
    }
  }
};

struct MinOp {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (kIsFloat<T>) {
      const float same = bits_as<float>(bits_as<uint32_t>(a) | bits_as<uint32_t>(b));
      const float smaller = a < b ? a : b;
      const float ordered = a == b ? same : smaller;
      return ((a != a) | (b != b)) != 0 ? a + b : ordered;
    } else {
      return a < b ? a : b;
    }
  }
};

// max(0, x), +0 for -0 (table 8 there).
struct ReluOp {
  template <typename T>
  static T apply(T a) {
    if constexpr (kIsFloat<T>) {
      const float positive = a > 0.0f ? a : 0.0f;
      return a != a ? a : positive;
    } else {
      return a > 0 ? a : T{0};
    }
  }
};

}  // namespace ascsim
