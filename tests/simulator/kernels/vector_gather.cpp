// GatherMask, Gather, TransDataTo5HD, Transpose: x is the source, m a bit mask or offsets, y what
// the destination holds before and after. c[0] takes the number of elements kept.
#include "kernel_operator.h"

using namespace AscendC;

namespace {

enum Field {
  kCode,
  kBits,     // of an element
  kPattern,  // 0: the mask
  kCounter,
  kMask,
  kLow,
  kHigh,
  kRepeats,
  kBlock,
  kRepeat,
  kMaskRepeat,
  kCount,
  kBase,
  kDstStep,
  kHigh0,  // halves of rows of 8-bit elements
  kHigh1,
  kN,
  kC,
  kHw
};

constexpr uint32_t kInBytes = 32 * 1024, kMaskBytes = 16 * 1024, kOutBytes = 32 * 1024;
constexpr uint32_t kMaskAt = kInBytes, kOutAt = 64 * 1024, kTmpAt = 100 * 1024;

struct Fields {
  GlobalTensor<int64_t> gm;
  int64_t operator[](int field) const { return gm.GetValue(field); }
};

template <typename T>
struct Buffers {
  LocalTensor<T> dst, src;
  LocalTensor<uint8_t> mask, tmp;
};

template <typename T, typename U>
uint64_t gather_mask(const Fields& f, const Buffers<T>& b) {
  uint64_t kept = 0;
  const GatherMaskParams params(f[kBlock], f[kRepeats], f[kRepeat], f[kMaskRepeat]);
  const auto mask = static_cast<uint32_t>(f[kMask]);
  if (f[kPattern] == 0) {
    GatherMask(b.dst, b.src, b.mask.template ReinterpretCast<U>(), f[kCounter] != 0, mask, params,
               kept);
  } else {
    GatherMask(b.dst, b.src, static_cast<uint8_t>(f[kPattern]), f[kCounter] != 0, mask, params,
               kept);
  }
  return kept;
}

template <typename T>
void gather(const Fields& f, const Buffers<T>& b) {
  const auto offsets = b.mask.template ReinterpretCast<uint32_t>();
  const auto base = static_cast<uint32_t>(f[kBase]);
  uint64_t bits[2] = {static_cast<uint64_t>(f[kLow]), static_cast<uint64_t>(f[kHigh])};
  const Narrow<uint8_t> repeats = f[kRepeats];
  const Narrow<uint16_t> step = f[kDstStep];
  if (f[kCount] > 0) return Gather(b.dst, b.src, offsets, base, static_cast<uint32_t>(f[kCount]));
  if (f[kMask] > 0) {
    return Gather(b.dst, b.src, offsets, base, static_cast<uint64_t>(f[kMask]), repeats, step);
  }
  Gather(b.dst, b.src, offsets, base, static_cast<const uint64_t*>(bits), repeats, step);
}

// Rows of the source are kBlock blocks apart, those of the result one.
template <typename T>
void transpose_rows(const Fields& f, const Buffers<T>& b) {
  constexpr uint32_t kPerBlock = 32 / sizeof(T);
  uint64_t dst[16], src[16];
  LocalTensor<T> to[16], from[16];
  for (uint32_t n = 0; n < 16; ++n) {
    to[n] = b.dst[n * kPerBlock];
    from[n] = b.src[n * static_cast<uint32_t>(f[kBlock]) * kPerBlock];
    dst[n] = to[n].GetPhyAddr();
    src[n] = from[n].GetPhyAddr();
  }
  const TransDataTo5HDParams params(f[kHigh1] != 0, f[kHigh0] != 0, f[kRepeats], f[kDstStep],
                                    f[kRepeat]);
  if (f[kCode] == 2) return TransDataTo5HD<T>(dst, src, params);
  TransDataTo5HD<T>(to, from, params);
}

template <typename T>
void transpose_axes(const Fields& f, const Buffers<T>& b) {
  TransposeParamsExt params;
  params.nSize = f[kN];
  params.cSize = f[kC];
  params.hSize = 1;
  params.wSize = f[kHw];
  params.transposeType =
      f[kCode] == 5 ? TransposeType::TRANSPOSE_NCHW2NHWC : TransposeType::TRANSPOSE_NHWC2NCHW;
  Transpose(b.dst, b.src, b.tmp, params);
}

template <typename T, typename U>
void run(const Fields& f, GM_ADDR x, GM_ADDR m, GM_ADDR y, GM_ADDR c) {
  GlobalTensor<uint8_t> gm_x, gm_m, gm_y;
  GlobalTensor<uint64_t> gm_c;
  gm_x.SetGlobalBuffer(x);
  gm_m.SetGlobalBuffer(m);
  gm_y.SetGlobalBuffer(y);
  gm_c.SetGlobalBuffer((__gm__ uint64_t*)c);
  const LocalTensor<uint8_t> src(TPosition::VECCALC, 0, kInBytes);
  const LocalTensor<uint8_t> mask(TPosition::VECCALC, kMaskAt, kMaskBytes);
  const LocalTensor<uint8_t> dst(TPosition::VECCALC, kOutAt, kOutBytes);
  const LocalTensor<uint8_t> tmp(TPosition::VECCALC, kTmpAt, 64 * 1024);
  DataCopy(src, gm_x, kInBytes);
  DataCopy(mask, gm_m, kMaskBytes);
  DataCopy(dst, gm_y, kOutBytes);
  SetFlag<HardEvent::MTE2_V>(0);
  WaitFlag<HardEvent::MTE2_V>(0);
  const Buffers<T> b{dst.template ReinterpretCast<T>(), src.template ReinterpretCast<T>(), mask,
                     tmp};
  switch (f[kCode]) {
    case 0:
      if constexpr (sizeof(T) > 1) {
        gm_c.SetValue(0, gather_mask<T, U>(f, b));
        DataCacheCleanAndInvalid<uint64_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(
            gm_c);
      }
      break;
    case 1:
      gather(f, b);
      break;
    case 2:
    case 3:
      transpose_rows(f, b);
      break;
    case 4:
      if constexpr (sizeof(T) == 2) Transpose(b.dst, b.src);
      break;
    default:
      transpose_axes(f, b);
  }
  SetFlag<HardEvent::V_MTE3>(0);
  WaitFlag<HardEvent::V_MTE3>(0);
  DataCopy(gm_y, dst, kOutBytes);
}

}  // namespace

extern "C" __global__ __aicore__ void vector_gather(GM_ADDR x, GM_ADDR m, GM_ADDR y, GM_ADDR c,
                                                    GM_ADDR parameters) {
  Fields f;
  f.gm.SetGlobalBuffer((__gm__ int64_t*)parameters);
  if (f[kBits] == 8) run<uint8_t, uint8_t>(f, x, m, y, c);
  if (f[kBits] == 16) run<half, uint16_t>(f, x, m, y, c);
  if (f[kBits] == 32) run<float, uint32_t>(f, x, m, y, c);
}

ASC_KERNEL(vector_gather, ascsim::KernelKind::kVector);
