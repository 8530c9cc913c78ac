// Adds, Muls, Maxs, Mins, LeakyRelu, ShiftLeft, ShiftRight, Axpy: a tensor with one scalar.
#include "ops/vector_loops.h"

namespace ascsim {

namespace {

// A negative sign decides, also that of -0 ("Memory矢量计算接口边界值汇总", table 19).
struct LeakyReluOp {
  static float apply(float a, float slope) {
    const float scaled = a * slope;
    return static_cast<int32_t>(bits_as<uint32_t>(a)) < 0 ? scaled : a;
  }
};

// "ShiftLeft" page: signed numbers keep their sign bit, the bit below it is the first to go.
template <typename Format>
void shift_left(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t scalar) {
  using T = typename Format::Stored;
  constexpr int kBits = sizeof(T) * 8;
  constexpr uint64_t kSign = T(-1) < T(0) ? uint64_t{1} << (kBits - 1) : 0;
  auto* to = reinterpret_cast<T*>(dst);
  const auto* x = reinterpret_cast<const T*>(a);
  const auto distance = static_cast<int>(scalar_of<Format>(scalar));
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) {
    const auto wide = static_cast<uint64_t>(x[l]);
    to[l] = static_cast<T>(((wide << distance) & ~kSign) | (wide & kSign));
  }
}

// "ShiftRight" page; `round` adds the last bit shifted out.
template <typename Format, bool round>
void shift_right(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t scalar) {
  using T = typename Format::Stored;
  auto* to = reinterpret_cast<T*>(dst);
  const auto* x = reinterpret_cast<const T*>(a);
  const auto distance = static_cast<int>(scalar_of<Format>(scalar));
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) {
    const auto wide = static_cast<int64_t>(x[l]);
    int64_t value = wide >> distance;
    if (round && distance > 0) value += (wide >> (distance - 1)) & 1;
    to[l] = static_cast<T>(value);
  }
}

// dst = src * scalar + dst; the product is rounded to the type of dst, see MulAddDst.
template <typename To, typename From>
ASCSIM_HOT void axpy_loop(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n,
                          uint64_t scalar) {
  auto* to = reinterpret_cast<typename To::Stored*>(dst);
  const auto* x = reinterpret_cast<const typename From::Stored*>(a);
  const float y = scalar_of<From>(scalar);
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) {
    to[l] = To::store(To::load(To::store(From::load(x[l]) * y)) + To::load(to[l]));
  }
}

struct Entry {
  const char* name;
  VectorClass price;
  DTypes types;
  RunFunction fp16, fp32, int16, uint16, int32, uint32;
};

constexpr DTypes kArithmetic = {DType::kFp16, DType::kFp32, DType::kInt16, DType::kInt32};
constexpr DTypes kFloats = {DType::kFp16, DType::kFp32};
constexpr DTypes kIntegers = {DType::kInt16, DType::kUint16, DType::kInt32, DType::kUint32};

template <typename Op>
constexpr Entry arithmetic(const char* name, VectorClass price) {
  return {name,
          price,
          kArithmetic,
          scalar_loop<Fp16, Op>,
          scalar_loop<Fp32, Op>,
          scalar_loop<Int16, Op>,
          nullptr,
          scalar_loop<Int32, Op>,
          nullptr};
}

// Types: the pages of the operations, rows of A2. In the order of ScalarOp.
const Entry& entry_of(ScalarOp op) {
  static const Entry kEntries[] = {
      arithmetic<AddOp>("Adds", VectorClass::kScalarAdd),
      arithmetic<MulOp>("Muls", VectorClass::kScalarMul),
      arithmetic<MaxOp>("Maxs", VectorClass::kScalarMaxMin),
      arithmetic<MinOp>("Mins", VectorClass::kScalarMaxMin),
      {"LeakyRelu", VectorClass::kScalarMul, kFloats, scalar_loop<Fp16, LeakyReluOp>,
       scalar_loop<Fp32, LeakyReluOp>, nullptr, nullptr, nullptr, nullptr},
      {"ShiftLeft", VectorClass::kShift, kIntegers, nullptr, nullptr, shift_left<Int16>,
       shift_left<Uint16>, shift_left<Int32>, shift_left<Uint32>},
      {"ShiftRight", VectorClass::kShift, kIntegers, nullptr, nullptr, shift_right<Int16, false>,
       shift_right<Uint16, false>, shift_right<Int32, false>, shift_right<Uint32, false>},
      // Rounding has an effect on signed numbers only.
      {"ShiftRight", VectorClass::kShift, kIntegers, nullptr, nullptr, shift_right<Int16, true>,
       shift_right<Uint16, false>, shift_right<Int32, true>, shift_right<Uint32, false>},
      {"Axpy", VectorClass::kFusedMulAdd, kFloats, axpy_loop<Fp16, Fp16>, axpy_loop<Fp32, Fp32>,
       nullptr, nullptr, nullptr, nullptr},
  };
  return kEntries[static_cast<int>(op)];
}

RunFunction loop_of(const Entry& entry, DType dtype) {
  switch (dtype) {
    case DType::kFp16:
      return entry.fp16;
    case DType::kFp32:
      return entry.fp32;
    case DType::kInt16:
      return entry.int16;
    case DType::kUint16:
      return entry.uint16;
    case DType::kInt32:
      return entry.int32;
    case DType::kUint32:
      return entry.uint32;
    default:
      return nullptr;
  }
}

int64_t signed_scalar(uint64_t bits, DType dtype) {
  switch (dtype) {
    case DType::kInt16:
      return static_cast<int16_t>(bits);
    case DType::kInt32:
      return static_cast<int32_t>(bits);
    default:
      return static_cast<int64_t>(bits);
  }
}

}  // namespace

void vector_scalar(ScalarOp op, const Operand& dst, const Operand& src, uint64_t scalar,
                   const Lanes& lanes, Steps dst_steps, Steps src_steps, Site site) {
  const Entry& entry = entry_of(op);
  Elementwise e;
  e.name = entry.name;
  e.price = entry.price;
  e.types = entry.types;
  e.run = loop_of(entry, dst.dtype);
  e.scalar = scalar;
  e.uses_dst = op == ScalarOp::kAxpy;
  if (src.dtype != dst.dtype) {  // only Axpy of half into float
    const bool allowed = e.uses_dst && src.dtype == DType::kFp16 && dst.dtype == DType::kFp32;
    e.run = allowed ? axpy_loop<Fp32, Fp16> : nullptr;
    if (!allowed) {
      e.refusal = std::string("src of ") + name_of(src.dtype) + " and dst of " + name_of(dst.dtype);
    }
  }
  e.dst = {"dst", dst, dst_steps};
  e.sources[0] = {"src", src, src_steps};
  e.source_count = 1;
  e.limits.block = 65535;
  if (entry.price == VectorClass::kShift) {
    e.scalar_limit = bits_of(dst.dtype);
    e.scalar_value = signed_scalar(scalar, dst.dtype);
  }
  elementwise(e, lanes, site);
}

}  // namespace ascsim
