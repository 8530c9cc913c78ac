// Abs, Relu, Exp, Ln, Sqrt, Rsqrt, Reciprocal, Not.
//
// Values at the borders: "Memory矢量计算接口边界值汇总", tables 2 to 8. The documentation gives no
// accuracy for A2/A3; results here are rounded correctly (Exp and Ln but for about one value in
// 10^5, where the double is wrong in its last bits).
#include <cmath>

#include "ops/vector_loops.h"

namespace ascsim {

namespace {

struct AbsOp {
  static float apply(float a) { return bits_as<float>(bits_as<uint32_t>(a) & 0x7fffffffu); }
};

struct SqrtOp {
  static float apply(float a) { return std::sqrt(a); }
};

struct ReciprocalOp {
  static float apply(float a) { return 1.0f / a; }
};

// Table 7 has +inf for -0, table 1 of the same page -inf; the table of the operation is followed.
struct RsqrtOp {
  static double apply(double a) { return a == 0.0 ? HUGE_VAL : 1.0 / std::sqrt(a); }
};

struct NotOp {
  static int16_t apply(int16_t a) { return static_cast<int16_t>(~a); }
};

// 1.5 * 2^52: adding it rounds a small double to an integer, which then is in the low bits.
constexpr double kRounder = 0x1.8p52;

// e^x = 2^n * e^r, n the integer nearest to x / ln 2, |r| <= 0.35; Taylor series of e^r up to r^11
// (relative error below 2^-46).
struct ExpOp {
  static double apply(double x) {
    constexpr double kLog2e = 0x1.71547652b82fep0;
    constexpr double kLn2High = 0x1.62e42fefa39efp-1;
    // Beyond these every result is 0 or infinity in float, and n stays in the range of a double.
    const double above = x > 200.0 ? 200.0 : x;
    const double y = above < -200.0 ? -200.0 : above;
    const double shifted = y * kLog2e + kRounder;
    const double n = shifted - kRounder;
    const double r = y - n * kLn2High;
    double p = 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    const uint64_t scale = (bits_as<uint64_t>(shifted) << 52) + 0x3ff0000000000000u;
    return p * bits_as<double>(scale);
  }
};

// ln(2^k * m) = k ln 2 + 2 atanh(s), s = (m - 1) / (m + 1), m in [sqrt(1/2), sqrt 2), |s| <= 0.172;
// series up to s^17 (relative error below 2^-47). Zero, negative numbers, infinity and NaN apart.
struct LnOp {
  static double apply(double x) {
    constexpr double kLn2 = 0x1.62e42fefa39efp-1;
    constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdu;
    // Counted from sqrt(1/2): the exponent bits then are k, the rest is m.
    const uint64_t above = bits_as<uint64_t>(x) - kSqrtHalf;
    const double k = bits_as<double>((above >> 52) + bits_as<uint64_t>(0x1p52)) - (0x1p52 + 0.0);
    const double exponent = k >= 2048.0 ? k - 4096.0 : k;
    const double m = bits_as<double>((above & 0xfffffffffffffu) + kSqrtHalf);
    const double s = (m - 1.0) / (m + 1.0);
    const double q = s * s;
    double p = 1.0 / 17;
    p = p * q + 1.0 / 15;
    p = p * q + 1.0 / 13;
    p = p * q + 1.0 / 11;
    p = p * q + 1.0 / 9;
    p = p * q + 1.0 / 7;
    p = p * q + 1.0 / 5;
    p = p * q + 1.0 / 3;
    const double log_m = 2.0 * s + 2.0 * s * q * p;
    const double finite = exponent * kLn2 + log_m;
    const double positive = x == HUGE_VAL ? HUGE_VAL : finite;
    const double other = x == 0.0 ? -HUGE_VAL : bits_as<double>(uint64_t{0x7ff8000000000000u});
    return x > 0.0 ? positive : other;
  }
};

struct Entry {
  const char* name;
  VectorClass price;
  DTypes types;
  RunFunction fp16, fp32, int16, int32;
};

constexpr DTypes kFloats = {DType::kFp16, DType::kFp32};

template <typename Op>
constexpr Entry single(const char* name, VectorClass price) {
  return {name, price, kFloats, unary_loop<Fp16, Op>, unary_loop<Fp32, Op>, nullptr, nullptr};
}

template <typename Op>
constexpr Entry in_double(const char* name, VectorClass price) {
  return {name, price, kFloats, double_loop<Fp16, Op>, double_loop<Fp32, Op>, nullptr, nullptr};
}

// Types: the pages of the operations, rows of A2. In the order of UnaryOp.
const Entry& entry_of(UnaryOp op) {
  static const Entry kEntries[] = {
      single<AbsOp>("Abs", VectorClass::kAbsRelu),
      {"Relu",
       VectorClass::kAbsRelu,
       {DType::kFp16, DType::kFp32, DType::kInt32},
       unary_loop<Fp16, ReluOp>,
       unary_loop<Fp32, ReluOp>,
       nullptr,
       unary_loop<Int32, ReluOp>},
      in_double<ExpOp>("Exp", VectorClass::kExp),
      in_double<LnOp>("Ln", VectorClass::kLn),
      single<SqrtOp>("Sqrt", VectorClass::kSqrt),
      in_double<RsqrtOp>("Rsqrt", VectorClass::kReciprocal),
      single<ReciprocalOp>("Reciprocal", VectorClass::kReciprocal),
      {"Not",
       VectorClass::kLogic,
       {DType::kInt16, DType::kUint16},
       nullptr,
       nullptr,
       unary_loop<Int16, NotOp>,
       nullptr},
  };
  return kEntries[static_cast<int>(op)];
}

}  // namespace

void vector_unary(UnaryOp op, const Operand& dst, const Operand& src, const Lanes& lanes,
                  Steps dst_steps, Steps src_steps, Site site) {
  const Entry& entry = entry_of(op);
  Elementwise e;
  e.name = entry.name;
  e.price = entry.price;
  e.types = entry.types;
  switch (dst.dtype) {
    case DType::kFp16:
      e.run = entry.fp16;
      break;
    case DType::kFp32:
      e.run = entry.fp32;
      break;
    case DType::kInt16:
    case DType::kUint16:
      e.run = entry.int16;
      break;
    case DType::kInt32:
      e.run = entry.int32;
      break;
    default:
      break;
  }
  e.dst = {"dst", dst, dst_steps};
  e.sources[0] = {"src", src, src_steps};
  e.source_count = 1;
  e.limits.block = 65535;
  elementwise(e, lanes, site);
}

}  // namespace ascsim
