// Add, Sub, Mul, Div, Max, Min, And, Or, and their compounds AddRelu, SubRelu, MulAddDst,
// FusedMulAdd, MulAddRelu.
#include "ops/vector_loops.h"

namespace ascsim {

namespace {

struct DivOp {
  static float apply(float a, float b) { return a / b; }
};

struct AndOp {
  template <typename T>
  static T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
};

struct OrOp {
  template <typename T>
  static T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
};

template <typename First>
struct ThenRelu {
  template <typename T>
  static T apply(T a, T b) {
    return ReluOp::apply(First::apply(a, b));
  }
};

// dst = op(src0, src1, dst). The product is rounded to the type of dst before the sum: the tables
// of boundary values (20 to 23) give infinity for it where only the product overflows. That this
// holds for the mantissa too is inferred.
template <typename To, typename From, typename Op>
ASCSIM_HOT void fused_loop(uint8_t* dst, const uint8_t* a, const uint8_t* b, int64_t n, uint64_t) {
  auto* to = reinterpret_cast<typename To::Stored*>(dst);
  const auto* x = reinterpret_cast<const typename From::Stored*>(a);
  const auto* y = reinterpret_cast<const typename From::Stored*>(b);
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) {
    to[l] = Op::template apply<To>(From::load(x[l]), From::load(y[l]), To::load(to[l]));
  }
}

struct MulAddDstOp {  // src0 * src1 + dst
  template <typename To>
  static typename To::Stored apply(float a, float b, float d) {
    return To::store(To::load(To::store(a * b)) + d);
  }
};

struct FusedMulAddOp {  // src0 * dst + src1
  template <typename To>
  static typename To::Stored apply(float a, float b, float d) {
    return To::store(To::load(To::store(a * d)) + b);
  }
};

struct MulAddReluOp {
  template <typename To>
  static typename To::Stored apply(float a, float b, float d) {
    return To::store(ReluOp::apply(To::load(To::store(a * d)) + b));
  }
};

struct Entry {
  const char* name;
  VectorClass price;
  DTypes types;
  RunFunction fp16, fp32, int16, int32;
  bool accumulates;
  bool uses_dst;
};

constexpr DTypes kArithmetic = {DType::kFp16, DType::kFp32, DType::kInt16, DType::kInt32};
constexpr DTypes kFloats = {DType::kFp16, DType::kFp32};
constexpr DTypes kRelus = {DType::kFp16, DType::kFp32, DType::kInt16};
constexpr DTypes kLogic = {DType::kInt16, DType::kUint16};

template <typename Op>
constexpr Entry arithmetic(const char* name, VectorClass price) {
  return {name,
          price,
          kArithmetic,
          binary_loop<Fp16, Op>,
          binary_loop<Fp32, Op>,
          binary_loop<Int16, Op>,
          binary_loop<Int32, Op>,
          true,
          false};
}

template <typename Op>
constexpr Entry with_relu(const char* name) {
  return {name,
          VectorClass::kAddSub,
          kRelus,
          binary_loop<Fp16, ThenRelu<Op>>,
          binary_loop<Fp32, ThenRelu<Op>>,
          binary_loop<Int16, ThenRelu<Op>>,
          nullptr,
          true,
          false};
}

template <typename Op>
constexpr Entry logic(const char* name) {
  return {name,    VectorClass::kLogic,    kLogic,  nullptr,
          nullptr, binary_loop<Int16, Op>, nullptr, false,
          false};
}

template <typename Op>
constexpr Entry fused(const char* name) {
  return {name,
          VectorClass::kFusedMulAdd,
          kFloats,
          fused_loop<Fp16, Fp16, Op>,
          fused_loop<Fp32, Fp32, Op>,
          nullptr,
          nullptr,
          false,
          true};
}

// Types: the pages of the operations, rows of A2. In the order of BinaryOp.
const Entry& entry_of(BinaryOp op) {
  static const Entry kEntries[] = {
      arithmetic<AddOp>("Add", VectorClass::kAddSub),
      arithmetic<SubOp>("Sub", VectorClass::kAddSub),
      arithmetic<MulOp>("Mul", VectorClass::kMul),
      {"Div", VectorClass::kDiv, kFloats, binary_loop<Fp16, DivOp>, binary_loop<Fp32, DivOp>,
       nullptr, nullptr, false, false},
      arithmetic<MaxOp>("Max", VectorClass::kMaxMin),
      arithmetic<MinOp>("Min", VectorClass::kMaxMin),
      logic<AndOp>("And"),
      logic<OrOp>("Or"),
      with_relu<AddOp>("AddRelu"),
      with_relu<SubOp>("SubRelu"),
      fused<MulAddDstOp>("MulAddDst"),
      fused<FusedMulAddOp>("FusedMulAdd"),
      fused<MulAddReluOp>("MulAddRelu"),
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
    case DType::kUint16:
      return entry.int16;
    case DType::kInt32:
      return entry.int32;
    default:
      return nullptr;
  }
}

}  // namespace

void vector_binary(BinaryOp op, const Operand& dst, const Operand& a, const Operand& b,
                   const Lanes& lanes, Steps dst_steps, Steps a_steps, Steps b_steps, Site site) {
  const Entry& entry = entry_of(op);
  Elementwise e;
  e.name = entry.name;
  e.price = entry.price;
  e.types = entry.types;
  e.run = loop_of(entry, dst.dtype);
  // MulAddDst of half into float is the only mixed pair.
  const bool mixed = a.dtype != dst.dtype;
  if (mixed) {
    const bool allowed =
        op == BinaryOp::kMulAddDst && a.dtype == DType::kFp16 && dst.dtype == DType::kFp32;
    e.run = allowed ? fused_loop<Fp32, Fp16, MulAddDstOp> : nullptr;
    if (!allowed) {
      e.refusal = std::string("src of ") + name_of(a.dtype) + " and dst of " + name_of(dst.dtype);
    }
  }
  e.dst = {"dst", dst, dst_steps};
  e.sources = {{{"src0", a, a_steps}, {"src1", b, b_steps}}};
  e.source_count = 2;
  e.accumulates = entry.accumulates;
  e.uses_dst = entry.uses_dst;
  elementwise(e, lanes, site);
}

}  // namespace ascsim
