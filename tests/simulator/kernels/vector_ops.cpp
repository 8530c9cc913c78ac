// Runs one element-wise instruction on an image of UB: copied in, changed, copied out.
#include "kernel_operator.h"

using namespace AscendC;

namespace {

// The parameter array, in this order.
struct Case {
  int64_t op, dst_type, src_type, form;
  int64_t count, repeats, mask_low, mask_high;
  int64_t dst, a, b;
  int64_t dst_block, a_block, b_block, dst_repeat, a_repeat, b_repeat;
  int64_t scalar, rounding, counter;
};

enum Form : int64_t { kCount, kLeading, kBits, kPreset };
enum Op : int64_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMax,
  kMin,
  kAnd,
  kOr,
  kAddRelu,
  kSubRelu,
  kMulAddDst,
  kFusedMulAdd,
  kMulAddRelu,
  kAbs = 20,
  kRelu,
  kExp,
  kLn,
  kSqrt,
  kRsqrt,
  kReciprocal,
  kNot,
  kAdds = 40,
  kMuls,
  kMaxs,
  kMins,
  kLeakyRelu,
  kShiftLeft,
  kShiftRight,
  kShiftRightRound,
  kAxpy,
  kCast = 60,
  kDuplicate,
  kBrcb,
  kCopy,
  kIndex
};

template <typename T>
LocalTensor<T> at(int64_t address) {
  LocalTensor<T> tensor;
  TBuffAddr raw;
  raw.bufferAddr = static_cast<uint32_t>(address);
  raw.dataLen = 1024;
  tensor.SetAddr(raw);
  return tensor;
}

template <typename T>
T scalar_of(const Case& c) {
  T value;
  std::memcpy(&value, &c.scalar, sizeof(value));
  return value;
}

// Calls with isSetMask as a type and the mask in the form asked for.
template <typename Call>
void masked(const Case& c, Call&& call) {
  uint64_t mask[2] = {static_cast<uint64_t>(c.mask_low), static_cast<uint64_t>(c.mask_high)};
  if (c.counter) SetMaskCount();
  if (c.form == kPreset) SetVectorMask<uint8_t>(mask[1], mask[0]);
  if (c.form == kPreset) call(std::false_type(), MASK_PLACEHOLDER);
  if (c.form == kBits) call(std::true_type(), mask);
  if (c.form == kLeading) call(std::true_type(), static_cast<uint64_t>(c.count));
}

BinaryRepeatParams binary_params(const Case& c) {
  return {c.dst_block, c.a_block, c.b_block, c.dst_repeat, c.a_repeat, c.b_repeat};
}
UnaryRepeatParams unary_params(const Case& c) {
  return {c.dst_block, c.a_block, c.dst_repeat, c.a_repeat};
}

#define BINARY(Name)                                                           \
  case k##Name:                                                                \
    if (c.form == kCount) return Name(d, a, b, static_cast<int32_t>(c.count)); \
    return masked(c, [&](auto own, auto mask) {                                \
      Name<T, own.value>(d, a, b, mask, c.repeats, binary_params(c));          \
    })
#define UNARY(Name)                                                         \
  case k##Name:                                                             \
    if (c.form == kCount) return Name(d, a, static_cast<int32_t>(c.count)); \
    return masked(c, [&](auto own, auto mask) {                             \
      Name<T, own.value>(d, a, mask, c.repeats, unary_params(c));           \
    })
#define SCALAR(Name)                                                           \
  case k##Name:                                                                \
    if (c.form == kCount) return Name(d, a, s, static_cast<int32_t>(c.count)); \
    return masked(c, [&](auto own, auto mask) {                                \
      Name<T, own.value>(d, a, s, mask, c.repeats, unary_params(c));           \
    })

template <typename T>
void one_type(const Case& c) {
  const auto d = at<T>(c.dst), a = at<T>(c.a), b = at<T>(c.b);
  const T s = scalar_of<T>(c);
  switch (c.op) {
    BINARY(Add);
    BINARY(Sub);
    BINARY(Mul);
    BINARY(Div);
    BINARY(Max);
    BINARY(Min);
    BINARY(And);
    BINARY(Or);
    BINARY(AddRelu);
    BINARY(SubRelu);
    BINARY(FusedMulAdd);
    BINARY(MulAddRelu);
    UNARY(Abs);
    UNARY(Relu);
    UNARY(Exp);
    UNARY(Ln);
    UNARY(Sqrt);
    UNARY(Rsqrt);
    UNARY(Reciprocal);
    UNARY(Not);
    SCALAR(Adds);
    SCALAR(Muls);
    SCALAR(Maxs);
    SCALAR(Mins);
    SCALAR(LeakyRelu);
    SCALAR(ShiftLeft);
    SCALAR(ShiftRight);
    case kShiftRightRound:
      return masked(c, [&](auto own, auto mask) {
        ShiftRight<T, own.value>(d, a, s, mask, c.repeats, unary_params(c), true);
      });
    case kDuplicate:
      if (c.form == kCount) return Duplicate(d, s, static_cast<int32_t>(c.count));
      return masked(c, [&](auto own, auto mask) {
        Duplicate<T, own.value>(d, s, mask, c.repeats, c.dst_block, c.dst_repeat);
      });
    case kBrcb:
      return Brcb(d, a, c.repeats, BrcbRepeatParams(c.dst_block, c.dst_repeat));
    case kCopy:
      return masked(c, [&](auto own, auto mask) {
        Copy<T, own.value>(d, a, mask, c.repeats,
                           CopyRepeatParams(c.dst_block, c.a_block, c.dst_repeat, c.a_repeat));
      });
    case kIndex: {
      auto target = d;
      if (c.form == kCount) return CreateVecIndex(target, s, static_cast<uint32_t>(c.count));
      return masked(c, [&](auto, auto mask) {
        CreateVecIndex(target, s, mask, c.repeats, c.dst_block, c.dst_repeat);
      });
    }
    default:
      ascendc_assert(false);
  }
}

// half into float, or one type: what MulAddDst and Axpy take.
template <typename T, typename U>
void two_types(const Case& c) {
  const auto d = at<T>(c.dst);
  const auto a = at<U>(c.a), b = at<U>(c.b);
  const U s = scalar_of<U>(c);
  if (c.op == kMulAddDst) {
    if (c.form == kCount) return MulAddDst(d, a, b, static_cast<int32_t>(c.count));
    return masked(c, [&](auto own, auto mask) {
      MulAddDst<T, U, own.value>(d, a, b, mask, c.repeats, binary_params(c));
    });
  }
  if (c.form == kCount) return Axpy(d, a, s, static_cast<int32_t>(c.count));
  masked(c, [&](auto own, auto mask) {
    Axpy<T, U, own.value>(d, a, s, mask, c.repeats, unary_params(c));
  });
}

template <typename T, typename U>
void cast(const Case& c) {
  const auto d = at<T>(c.dst);
  const auto a = at<U>(c.a);
  const auto mode = static_cast<RoundMode>(c.rounding);
  if (c.scalar != 0) SetDeqScale(scalar_of<half>(c));
  if (c.form == kCount) return Cast(d, a, mode, static_cast<uint32_t>(c.count));
  masked(c, [&](auto own, auto mask) {
    Cast<T, U, own.value>(d, a, mode, mask, c.repeats, unary_params(c));
  });
}

// Type codes: the numbers of ascsim::DType.
template <typename Call>
void with_type(int64_t code, Call&& call) {
  switch (static_cast<ascsim::DType>(code)) {
    case ascsim::DType::kFp16:
      return call(half());
    case ascsim::DType::kBf16:
      return call(bfloat16_t());
    case ascsim::DType::kFp32:
      return call(float());
    case ascsim::DType::kInt4:
      return call(int4b_t());
    case ascsim::DType::kInt8:
      return call(int8_t());
    case ascsim::DType::kUint8:
      return call(uint8_t());
    case ascsim::DType::kInt16:
      return call(int16_t());
    case ascsim::DType::kUint16:
      return call(uint16_t());
    case ascsim::DType::kInt32:
      return call(int32_t());
    case ascsim::DType::kUint32:
      return call(uint32_t());
    case ascsim::DType::kInt64:
      return call(int64_t());
    default:
      ascendc_assert(false);
  }
}

void dispatch(const Case& c) {
  if (c.op == kCast) {
    return with_type(c.dst_type, [&](auto t) {
      with_type(c.src_type, [&](auto u) { cast<decltype(t), decltype(u)>(c); });
    });
  }
  if (c.op == kMulAddDst || c.op == kAxpy) {
    const bool wide = c.src_type == static_cast<int64_t>(ascsim::DType::kFp32);
    if (c.dst_type != c.src_type && !wide) return two_types<float, half>(c);
    if (c.dst_type != c.src_type) return two_types<half, float>(c);
    return wide ? two_types<float, float>(c) : two_types<half, half>(c);
  }
  with_type(c.dst_type, [&](auto t) {
    if constexpr (!std::is_same_v<decltype(t), int4b_t>) one_type<decltype(t)>(c);
  });
}

}  // namespace

// `loaded` bytes of the image come into UB, `stored` bytes go out.
extern "C" __global__ __aicore__ void vector_ops(GM_ADDR image, GM_ADDR result, GM_ADDR parameters,
                                                 uint32_t loaded, uint32_t stored) {
  GlobalTensor<int64_t> p;
  p.SetGlobalBuffer((__gm__ int64_t*)parameters);
  Case c;
  for (uint32_t i = 0; i < sizeof(Case) / 8; ++i) {
    const int64_t value = p.GetValue(i);
    std::memcpy(reinterpret_cast<char*>(&c) + 8 * i, &value, 8);
  }
  GlobalTensor<uint8_t> in, out;
  in.SetGlobalBuffer((__gm__ uint8_t*)image);
  out.SetGlobalBuffer((__gm__ uint8_t*)result);
  LocalTensor<uint8_t> ub(TPosition::VECCALC, 0, 196608 - 256);
  DataCopy(ub, in, loaded);
  SetFlag<HardEvent::MTE2_V>(0);
  WaitFlag<HardEvent::MTE2_V>(0);
  dispatch(c);
  SetMaskNorm();
  ResetMask();
  SetFlag<HardEvent::V_MTE3>(0);
  WaitFlag<HardEvent::V_MTE3>(0);
  DataCopy(out, ub, stored);
}

ASC_KERNEL(vector_ops, ascsim::KernelKind::kVector);
