// One reduction per launch: x is its source, y what its destination holds before and after. The
// parameters are numbers in GM, see the enumeration.
#include "kernel_operator.h"

using namespace AscendC;

namespace {

enum Field {
  kCode,
  kHalf,
  kSourceBytes,
  kResultBytes,
  kMask,  // -1: the bits
  kLow,
  kHigh,
  kRepeats,
  kDstStep,
  kSrcBlock,
  kSrcRepeat,
  kOrder,
  kCount,
  kPreset,  // 1: a mask set before, 2: in counter mode
  kResultOffset
};

constexpr uint32_t kDst = 128 * 1024, kTmp = 150 * 1024, kTmpBytes = 30 * 1024;

struct Fields {
  GlobalTensor<int64_t> gm;
  int64_t operator[](int field) const { return gm.GetValue(field); }
};

template <typename T>
struct Buffers {
  LocalTensor<T> dst, src, tmp;
};

template <typename T, bool own, typename Mask>
void masked(const Fields& f, const Buffers<T>& b, Mask mask) {
  const auto repeats = static_cast<int32_t>(f[kRepeats]);
  const auto step = static_cast<int32_t>(f[kDstStep]);
  const auto block = static_cast<int32_t>(f[kSrcBlock]);
  const auto repeat = static_cast<int32_t>(f[kSrcRepeat]);
  const auto order = static_cast<ReduceOrder>(f[kOrder]);
  switch (f[kCode]) {
    case 0:
      return BlockReduceMax<T, own>(b.dst, b.src, repeats, mask, step, block, repeat);
    case 1:
      return BlockReduceMin<T, own>(b.dst, b.src, repeats, mask, step, block, repeat);
    case 2:
      return BlockReduceSum<T, own>(b.dst, b.src, repeats, mask, step, block, repeat);
    case 3:
      return WholeReduceMax<T, own>(b.dst, b.src, mask, repeats, step, block, repeat, order);
    case 4:
      return WholeReduceMin<T, own>(b.dst, b.src, mask, repeats, step, block, repeat, order);
    case 5:
      return WholeReduceSum<T, own>(b.dst, b.src, mask, repeats, step, block, repeat);
    case 6:
      return PairReduceSum<T, own>(b.dst, b.src, repeats, mask, step, block, repeat);
    case 10:
      return ReduceDataBlock<ReduceType::MAX, T, T, own>(b.dst, b.src, mask, repeats, step, block,
                                                         repeat);
    case 11:
      return ReduceDataBlock<ReduceType::MIN, T, T, own>(b.dst, b.src, mask, repeats, step, block,
                                                         repeat);
    case 12:
      return ReduceDataBlock<ReduceType::SUM, T, T, own>(b.dst, b.src, mask, repeats, step, block,
                                                         repeat);
    case 13:
      return ReduceRepeat<ReduceType::MAX, T, T, own>(b.dst, b.src, mask, repeats, step, block,
                                                      repeat, order);
    case 14:
      return ReduceRepeat<ReduceType::MIN, T, T, own>(b.dst, b.src, mask, repeats, step, block,
                                                      repeat, order);
    case 15:
      return ReduceRepeat<ReduceType::SUM, T, T, own>(b.dst, b.src, mask, repeats, step, block,
                                                      repeat);
    case 16:
      return ReducePairElem<ReduceType::SUM, T, T, own>(b.dst, b.src, mask, repeats, step, block,
                                                        repeat);
    case 20:
      return ReduceMax<T>(b.dst, b.src, b.tmp, mask, repeats, repeat, f[kOrder] != 0);
    case 21:
      return ReduceMin<T>(b.dst, b.src, b.tmp, mask, repeats, repeat, f[kOrder] != 0);
    case 22:
      return ReduceSum<T>(b.dst, b.src, b.tmp, mask, repeats, repeat);
    default:
      ascendc_assert(false);
  }
}

template <typename T>
void unmasked(const Fields& f, const Buffers<T>& b) {
  const auto count = static_cast<int32_t>(f[kCount]);
  uint32_t shape[] = {static_cast<uint32_t>(f[kRepeats]), static_cast<uint32_t>(f[kCount])};
  uint32_t from[] = {static_cast<uint32_t>(f[kSrcRepeat]), static_cast<uint32_t>(f[kSrcBlock])};
  const auto bytes = b.tmp.template ReinterpretCast<uint8_t>();
  using Pattern::Reduce::AR;
  using Pattern::Reduce::RA;
  switch (f[kCode]) {
    case 7:
      return RepeatReduceSum<T>(
          b.dst, b.src, static_cast<int32_t>(f[kRepeats]), static_cast<int32_t>(f[kMask]), 1,
          static_cast<int32_t>(f[kSrcBlock]), static_cast<int32_t>(f[kDstStep]),
          static_cast<int32_t>(f[kSrcRepeat]));
    case 30:
      return ReduceMax<T>(b.dst, b.src, b.tmp, count, f[kOrder] != 0);
    case 31:
      return ReduceMin<T>(b.dst, b.src, b.tmp, count, f[kOrder] != 0);
    case 32:
      return ReduceSum<T>(b.dst, b.src, b.tmp, count);
    case 33:
      return ReduceSum<T, false>(b.dst, b.src, b.tmp, 1);
    case 40:
      return ReduceMax<T, RA>(b.dst, b.src, bytes, shape, true);
    case 41:
      return ReduceMax<T, AR>(b.dst, b.src, bytes, shape, true);
    case 42:
      return ReduceSum<T, RA>(b.dst, b.src, bytes, shape, true);
    case 43:
      return ReduceSum<T, AR>(b.dst, b.src, bytes, shape, true);
    case 44:
      return ReduceMin<T, AR>(b.dst, b.src, bytes, shape, true);
    case 50:
      return BroadCast<T, 2, 0>(b.dst, b.src, shape, from, bytes);
    case 51:
      return BroadCast<T, 2, 1>(b.dst, b.src, shape, from, bytes);
    case 52:
      return BroadCast<T, 1, 0>(b.dst, b.src, shape + 1, from + 1, bytes);
    default:
      ascendc_assert(false);
  }
}

template <typename T>
void reduce(const Fields& f, GM_ADDR x, GM_ADDR y) {
  GlobalTensor<uint8_t> gm_x, gm_y;
  gm_x.SetGlobalBuffer(x);
  gm_y.SetGlobalBuffer(y);
  const LocalTensor<uint8_t> src(TPosition::VECCALC, 0, kDst);
  const LocalTensor<uint8_t> dst(TPosition::VECCALC, kDst, kTmp - kDst);
  const LocalTensor<uint8_t> tmp(TPosition::VECCALC, kTmp, kTmpBytes);
  DataCopy(src, gm_x, static_cast<uint32_t>(f[kSourceBytes]));
  DataCopy(dst, gm_y, static_cast<uint32_t>(f[kResultBytes]));
  SetFlag<HardEvent::MTE2_V>(0);
  WaitFlag<HardEvent::MTE2_V>(0);
  SetFlag<HardEvent::MTE2_S>(0);
  WaitFlag<HardEvent::MTE2_S>(0);
  const auto offset = static_cast<uint32_t>(f[kResultOffset]);
  const Buffers<T> b{dst[offset].template ReinterpretCast<T>(), src.template ReinterpretCast<T>(),
                     tmp.template ReinterpretCast<T>()};
  const auto low = static_cast<uint64_t>(f[kLow]), high = static_cast<uint64_t>(f[kHigh]);
  if (f[kPreset] == 1) SetVectorMask<T>(high, low);
  if (f[kPreset] == 2) {
    SetMaskCount();
    SetVectorMask<T, MaskMode::COUNTER>(static_cast<int32_t>(f[kCount]));
  }
  uint64_t bits[2] = {low, high};
  if (f[kCode] == 7 || f[kCode] >= 30) {
    unmasked(f, b);
  } else if (f[kPreset] != 0) {
    masked<T, false>(f, b, 0);
  } else if (f[kMask] >= 0) {
    masked<T, true>(f, b, static_cast<int32_t>(f[kMask]));
  } else {
    masked<T, true>(f, b, static_cast<const uint64_t*>(bits));
  }
  SetMaskNorm();
  ResetMask();
  SetFlag<HardEvent::V_MTE3>(0);
  WaitFlag<HardEvent::V_MTE3>(0);
  DataCopy(gm_y, dst, static_cast<uint32_t>(f[kResultBytes]));
}

}  // namespace

extern "C" __global__ __aicore__ void vector_reduce(GM_ADDR x, GM_ADDR y, GM_ADDR parameters) {
  Fields f;
  f.gm.SetGlobalBuffer((__gm__ int64_t*)parameters);
  if (f[kHalf] != 0) return reduce<half>(f, x, y);
  reduce<float>(f, x, y);
}

ASC_KERNEL(vector_reduce, ascsim::KernelKind::kVector);
