// Comparisons and selections: x and z are the sources, m a bit mask, y what the destination holds
// before and after.
#include "kernel_operator.h"

using namespace AscendC;

namespace {

enum Field {
  kCode,
  kDtype,  // 0 fp32, 1 fp16, 2 int32
  kMode,
  kMask,  // -1: the bits
  kLow,
  kHigh,
  kRepeats,
  kBlock0,
  kRepeat0,
  kBlock1,
  kRepeat1,
  kDstRepeat,
  kCount,
  kCounter,  // a count set before, in counter mode
  kScalar,   // bits
  kStored,   // bytes
  kDst       // address
};

constexpr uint32_t kSecond = 48 * 1024, kBits = 96 * 1024;
constexpr uint32_t kInBytes = 32 * 1024, kBitBytes = 4096;

struct Fields {
  GlobalTensor<int64_t> gm;
  int64_t operator[](int field) const { return gm.GetValue(field); }
};

template <typename T>
struct Buffers {
  LocalTensor<uint8_t> bytes;  // the destination
  LocalTensor<T> dst, src0, src1;
  LocalTensor<uint8_t> bits;
  T scalar;
};

BinaryRepeatParams binary_params(const Fields& f) {
  return {1, f[kBlock0], f[kBlock1], f[kDstRepeat], f[kRepeat0], f[kRepeat1]};
}

template <typename T, typename Mask>
void compare(const Fields& f, const Buffers<T>& b, Mask mask) {
  const auto mode = static_cast<CMPMODE>(f[kMode]);
  const Narrow<uint8_t> repeats = f[kRepeats];
  const auto count = static_cast<uint32_t>(f[kCount]);
  const UnaryRepeatParams unary(1, f[kBlock0], f[kDstRepeat], f[kRepeat0]);
  switch (f[kCode]) {
    case 0:
      return Compare(b.bytes, b.src0, b.src1, mode, mask, repeats, binary_params(f));
    case 1:
      return Compare(b.bytes, b.src0, b.src1, mode, count);
    case 2:
      return CompareScalar(b.bytes, b.src0, b.scalar, mode, mask, repeats, unary);
    case 3:
      return CompareScalar(b.bytes, b.src0, b.scalar, mode, count);
    case 4:
      return Compares(b.bytes, b.src0, b.scalar, mode, mask, repeats, unary);
    case 5:
      return Compares(b.bytes, b.src0, b.scalar, mode, count);
    case 6:
      SetCmpMask(b.bits);
      PipeBarrier<PIPE_V>();
      Compare(b.src0, b.src1, mode, mask, binary_params(f));
      PipeBarrier<PIPE_V>();
      return GetCmpMask(b.bytes);
    default:
      ascendc_assert(false);
  }
}

template <typename T, typename Mask>
void select(const Fields& f, const Buffers<T>& b, Mask mask) {
  const auto mode = static_cast<SELMODE>(f[kMode]);
  const bool scalar = mode == SELMODE::VSEL_TENSOR_SCALAR_MODE;
  const Narrow<uint8_t> repeats = f[kRepeats];
  const BinaryRepeatParams params = binary_params(f);
  const auto count = static_cast<uint32_t>(f[kCount]);
  switch (f[kCode]) {
    case 10:
      if (scalar) return Select(b.dst, b.bits, b.src0, b.scalar, mode, mask, repeats, params);
      return Select(b.dst, b.bits, b.src0, b.src1, mode, mask, repeats, params);
    case 11:
      if (scalar) return Select(b.dst, b.bits, b.src0, b.scalar, mode, count);
      return Select(b.dst, b.bits, b.src0, b.src1, mode, count);
    default:
      ascendc_assert(false);
  }
}

// With SetVectorMask and SetCmpMask.
template <typename T>
void select_prepared(const Fields& f, const Buffers<T>& b) {
  const Narrow<uint8_t> repeats = f[kRepeats];
  const BinaryRepeatParams params = binary_params(f);
  const LocalTensor<uint32_t> words(TPosition::VECCALC, kBits + kBitBytes, 8);
  const bool tensor = f[kMode] == 2;
  if (f[kMode] == 0) {
    SetCmpMask(b.bits);
  } else {
    for (int n = 0; n < 4; ++n) {
      words.SetValue(n, tensor ? static_cast<uint32_t>(b.bits.GetPhyAddr())
                               : static_cast<uint32_t>(f[kScalar]));
    }
    SetFlag<HardEvent::S_V>(0);
    WaitFlag<HardEvent::S_V>(0);
    SetCmpMask(words);
  }
  PipeBarrier<PIPE_V>();
  if (f[kCounter] > 0) {
    SetMaskCount();
    SetVectorMask<T, MaskMode::COUNTER>(static_cast<int32_t>(f[kCounter]));
  } else {
    SetVectorMask<T>(static_cast<uint64_t>(f[kHigh]), static_cast<uint64_t>(f[kLow]));
  }
  if (f[kMode] == 0) {
    Select<T, SELMODE::VSEL_CMPMASK_SPR>(b.dst, b.src0, b.src1, repeats, params);
  } else if (tensor) {
    Select<T, SELMODE::VSEL_TENSOR_TENSOR_MODE>(b.dst, b.src0, b.src1, repeats, params);
  } else {
    Select(b.dst, b.bits, b.src0, repeats, params);
  }
  SetMaskNorm();
  ResetMask();
}

template <typename T>
void run(const Fields& f, GM_ADDR x, GM_ADDR z, GM_ADDR m, GM_ADDR y) {
  GlobalTensor<uint8_t> gm_x, gm_z, gm_m, gm_y;
  gm_x.SetGlobalBuffer(x);
  gm_z.SetGlobalBuffer(z);
  gm_m.SetGlobalBuffer(m);
  gm_y.SetGlobalBuffer(y);
  const auto dst_at = static_cast<uint32_t>(f[kDst]), stored = static_cast<uint32_t>(f[kStored]);
  const LocalTensor<uint8_t> src0(TPosition::VECCALC, 0, kInBytes);
  const LocalTensor<uint8_t> src1(TPosition::VECCALC, kSecond, kInBytes);
  const LocalTensor<uint8_t> bits(TPosition::VECCALC, kBits, kBitBytes);
  const LocalTensor<uint8_t> dst(TPosition::VECCALC, dst_at, stored);
  DataCopy(src0, gm_x, kInBytes);
  DataCopy(src1, gm_z, kInBytes);
  DataCopy(bits, gm_m, kBitBytes);
  DataCopy(dst, gm_y, stored);
  SetFlag<HardEvent::MTE2_V>(0);
  WaitFlag<HardEvent::MTE2_V>(0);
  Buffers<T> b{dst,
               dst.template ReinterpretCast<T>(),
               src0.template ReinterpretCast<T>(),
               src1.template ReinterpretCast<T>(),
               bits,
               T{}};
  const auto word = static_cast<uint32_t>(f[kScalar]);
  std::memcpy(&b.scalar, &word, sizeof(T));
  uint64_t both[2] = {static_cast<uint64_t>(f[kLow]), static_cast<uint64_t>(f[kHigh])};
  const auto* mask_bits = static_cast<const uint64_t*>(both);
  const auto mask = static_cast<uint64_t>(f[kMask]);
  if constexpr (std::is_same_v<T, int32_t>) {
    compare<T>(f, b, mask);
  } else if (f[kCode] == 12) {
    select_prepared(f, b);
  } else if (f[kCode] >= 10) {
    f[kMask] >= 0 ? select(f, b, mask) : select(f, b, mask_bits);
  } else {
    f[kMask] >= 0 ? compare(f, b, mask) : compare(f, b, mask_bits);
  }
  SetFlag<HardEvent::V_MTE3>(0);
  WaitFlag<HardEvent::V_MTE3>(0);
  DataCopy(gm_y, dst, stored);
}

}  // namespace

extern "C" __global__ __aicore__ void vector_compare(GM_ADDR x, GM_ADDR z, GM_ADDR m, GM_ADDR y,
                                                     GM_ADDR parameters) {
  Fields f;
  f.gm.SetGlobalBuffer((__gm__ int64_t*)parameters);
  if (f[kDtype] == 0) run<float>(f, x, z, m, y);
  if (f[kDtype] == 1) run<half>(f, x, z, m, y);
  if (f[kDtype] == 2) run<int32_t>(f, x, z, m, y);
}

ASC_KERNEL(vector_compare, ascsim::KernelKind::kVector);
