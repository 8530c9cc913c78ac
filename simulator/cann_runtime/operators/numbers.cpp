#include "operators/numbers.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace ascsim::cann {

namespace {

float from_half(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  float value = 0;
  if (exponent == 31) {
    value = fraction == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    value = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

// To nearest even, by the rounding of the addition of a number whose last bit is the half's.
uint16_t to_half(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 65520.0F) return static_cast<uint16_t>(sign | 0x7c00);
  const int exponent = magnitude < 6.103515625e-05F ? -14 : std::ilogb(magnitude);
  const float scaled = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  // A carry out of the fraction goes into the exponent by itself.
  const int bits = static_cast<int>(scaled) + (exponent + 14) * 1024;
  return static_cast<uint16_t>(sign | bits);
}

float from_bfloat(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

uint16_t to_bfloat(float value) {
  if (std::isnan(value)) return 0x7fc0;
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

struct Half {
  uint16_t bits;
  operator double() const { return from_half(bits); }
  static Half of(double value) { return {to_half(static_cast<float>(value))}; }
};
struct Bfloat {
  uint16_t bits;
  operator double() const { return from_bfloat(bits); }
  static Bfloat of(double value) { return {to_bfloat(static_cast<float>(value))}; }
};
struct Truth {
  uint8_t bits;
  operator double() const { return bits != 0 ? 1 : 0; }
};

template <typename T>
T read(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

int64_t truncate(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 9223372036854775808.0) return std::numeric_limits<int64_t>::max();
  if (value <= -9223372036854775808.0) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

template <typename T>
double load_real(const char* from) {
  return static_cast<double>(read<T>(from));
}

template <typename T>
int64_t load_int(const char* from) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<int64_t>(read<T>(from));
  } else {
    return truncate(static_cast<double>(read<T>(from)));
  }
}

template <typename T>
void store_int(char* to, int64_t value);

template <typename T>
void store_real(char* to, double value) {
  if constexpr (std::is_same_v<T, Truth>) {
    store_int<Truth>(to, value != 0 ? 1 : 0);
  } else if constexpr (std::is_integral_v<T>) {
    store_int<T>(to, truncate(value));
  } else {
    T rounded;
    if constexpr (std::is_floating_point_v<T>) {
      rounded = static_cast<T>(value);
    } else {
      rounded = T::of(value);
    }
    std::memcpy(to, &rounded, sizeof(rounded));
  }
}

template <typename T>
void store_int(char* to, int64_t value) {
  if constexpr (std::is_same_v<T, Truth>) {
    *to = value != 0 ? 1 : 0;
  } else if constexpr (std::is_integral_v<T>) {
    const auto narrow = static_cast<T>(value);  // wraps, as integers do
    std::memcpy(to, &narrow, sizeof(narrow));
  } else {
    store_real<T>(to, static_cast<double>(value));
  }
}

template <typename T>
constexpr Codec codec(const char* name) {
  constexpr bool integral = std::is_integral_v<T> || std::is_same_v<T, Truth>;
  return {name, sizeof(T), integral, load_real<T>, load_int<T>, store_real<T>, store_int<T>};
}

}  // namespace

const Codec* codec_of(int data_type) {
  static const Codec f32 = codec<float>("float32"), f16 = codec<Half>("float16"),
                     bf16 = codec<Bfloat>("bfloat16"), f64 = codec<double>("float64"),
                     i8 = codec<int8_t>("int8"), u8 = codec<uint8_t>("uint8"),
                     i16 = codec<int16_t>("int16"), i32 = codec<int32_t>("int32"),
                     i64 = codec<int64_t>("int64"), truth = codec<Truth>("bool");
  switch (data_type) {
    case kFloat32:
      return &f32;
    case kFloat16:
      return &f16;
    case kBfloat16:
      return &bf16;
    case kFloat64:
      return &f64;
    case kInt8:
      return &i8;
    case kUint8:
      return &u8;
    case kInt16:
      return &i16;
    case kInt32:
      return &i32;
    case kInt64:
      return &i64;
    case kBool:
      return &truth;
    default:
      return nullptr;
  }
}

size_t bytes_of(int data_type) {
  if (const Codec* codec = codec_of(data_type)) return codec->bytes;
  switch (data_type) {
    case 34:  // hifloat8
    case 35:  // float8_e5m2
    case 36:  // float8_e4m3fn
    case 37:  // float8_e8m0
      return 1;
    case 7:  // uint16
      return 2;
    case 8:   // uint32
    case 33:  // complex32
      return 4;
    case 10:  // uint64
    case 16:  // complex64
      return 8;
    case 17:  // complex128
      return 16;
    default:
      return 0;
  }
}

}  // namespace ascsim::cann
