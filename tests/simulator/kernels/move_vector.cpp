// Moves of a vector core under parameters that a test chooses. UB area [0, kArea) is loaded from
// `before`, then one operation runs, then the area is stored to `after`.
#include "kernel_operator.h"
#include "record.h"

using namespace AscendC;

namespace {

constexpr uint32_t kArea = 65536;

enum Operation : int64_t {
  kIn,
  kOut,
  kInCount,
  kOutCount,
  kLocal,
  kLocalCount,
  kPadIn,
  kPadOut,
  kPadInShort,
  kPadOutShort,
  kInitOutput
};

// Field numbers of the arguments of all operations.
struct Arguments {
  int64_t operation, width, ub, gm, count, length, src, dst, pad, left, right, value, ub2, atomic;
  int64_t record, cached;
};

template <typename T>
void operate(const Arguments& a, GlobalTensor<T> gm, LocalTensor<T> ub, LocalTensor<T> ub2) {
  DataCopyParams plain;
  plain.blockCount = a.count;
  plain.blockLen = a.length;
  plain.srcStride = a.src;
  plain.dstStride = a.dst;
  const DataCopyExtParams extended(a.count, a.length, a.src, a.dst, 0);
  T value;
  std::memcpy(&value, &a.value, sizeof(T));
  const auto elements = static_cast<uint32_t>(a.length);
  switch (a.operation) {
    case kIn:
      return DataCopy(ub, gm, plain);
    case kOut:
      return DataCopy(gm, ub, plain);
    case kInCount:
      return DataCopy(ub, gm, elements);
    case kOutCount:
      return DataCopy(gm, ub, elements);
    case kLocal:
      return DataCopy(ub2, ub, plain);
    case kLocalCount:
      return DataCopy(ub2, ub, elements);
    case kPadIn:
      if (a.pad == 2) SetPadValue(value);
      return DataCopyPad(ub, gm, extended,
                         DataCopyPadExtParams<T>(a.pad == 1, a.left, a.right, value));
    case kPadOut:
      return DataCopyPad(gm, ub, extended);
    case kPadInShort:
      return DataCopyPad(
          ub, gm, plain,
          DataCopyPadParams(a.pad == 1, a.left, a.right, static_cast<uint64_t>(a.value)));
    case kPadOutShort:
      return DataCopyPad(gm, ub, plain);
    case kInitOutput:
      return InitOutput(gm, elements, value);
    default:
      break;
  }
}

template <typename T>
void with_type(const Arguments& a, GM_ADDR gm_bytes) {
  GlobalTensor<T> gm;
  gm.SetGlobalBuffer(reinterpret_cast<T*>(gm_bytes + a.gm));
  if (a.cached == 0) gm.SetL2CacheHint(CacheMode::CACHE_MODE_DISABLE);
  const auto ub = [](int64_t address) {
    return LocalTensor<T>(TPosition::VECCALC, static_cast<uint32_t>(address), kArea / sizeof(T));
  };
  if (a.atomic == 1) SetAtomicAdd<T>();
  if (a.atomic == 2) SetAtomicMax<T>();
  if (a.atomic == 3) SetAtomicMin<T>();
  if (a.atomic == 4) SetAtomicType<T>();
  if (a.atomic == 5) SetAtomicAdd<float>();
  if (a.atomic == 6) SetAtomicAdd<uint16_t>();
  operate(a, gm, ub(a.ub), ub(a.ub2));
  SetAtomicNone();
}

}  // namespace

extern "C" __global__ __aicore__ void move_vector(GM_ADDR arguments, GM_ADDR gm, GM_ADDR before,
                                                  GM_ADDR after) {
  const auto& a = *reinterpret_cast<const Arguments*>(arguments);
  GlobalTensor<uint8_t> gm_before, gm_after;
  gm_before.SetGlobalBuffer(before);
  gm_after.SetGlobalBuffer(after);
  LocalTensor<uint8_t> area(TPosition::VECCALC, 0, kArea);
  DataCopy(area, gm_before, kArea);
  PipeBarrier<PIPE_ALL>();
  Recorder recorder(gm);
  switch (a.width) {
    case 1:
      with_type<int8_t>(a, gm);
      break;
    case 2:
      with_type<int16_t>(a, gm);
      break;
    case 4:
      with_type<int32_t>(a, gm);
      break;
    case 8:
      with_type<int64_t>(a, gm);
      break;
    case 20:
      with_type<half>(a, gm);
      break;
    case 40:
      with_type<float>(a, gm);
      break;
    case 80:
      with_type<double>(a, gm);
      break;
    default:
      break;
  }
  if (a.record != 0) return recorder.dump(after);
  PipeBarrier<PIPE_ALL>();
  DataCopy(gm_after, area, kArea);
}

ASC_KERNEL(move_vector, ascsim::KernelKind::kVector);

// The same code on the AIC of a mixed kernel does nothing.
extern "C" __global__ __aicore__ void move_mixed(GM_ADDR arguments, GM_ADDR gm, GM_ADDR before,
                                                 GM_ADDR after) {
  if (GetSubBlockIdx() == 0) move_vector(arguments, gm, before, after);
}

ASC_KERNEL(move_mixed, ascsim::KernelKind::kMix);
