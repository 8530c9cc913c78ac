// Moves of a cube core under parameters that a test chooses. L1 area [0, kArea) is loaded from
// `before`, then one operation runs, then the area is stored to `after`.
#include "kernel_operator.h"
#include "record.h"

using namespace AscendC;

namespace {

constexpr uint32_t kArea = 262144;

enum Operation : int64_t {
  kIn,
  kOut,
  kInCount,
  kOutCount,
  kNd2Nz,
  kFillL1,
  kFillL0,
  kToBt,
  kToFb,
  kHalfToBt,
  kToBtCount
};

struct Arguments {
  int64_t operation, width, l1, gm;
  int64_t p[8];
  int64_t value, record, cached;
};

// There is no way back from these memories but through a computation: a test looks inside.
void reveal(ascsim::Memory memory, GM_ADDR after, size_t bytes) {
  std::memcpy(after, ascsim::machine().current().data(memory, 0), bytes);
}

template <typename T>
void operate(const Arguments& a, GM_ADDR gm_bytes, GM_ADDR after) {
  GlobalTensor<T> gm;
  gm.SetGlobalBuffer(reinterpret_cast<T*>(gm_bytes + a.gm));
  if (a.cached == 0) gm.SetL2CacheHint(CacheMode::CACHE_MODE_DISABLE);
  const auto address = static_cast<uint32_t>(a.l1);
  const auto elements = static_cast<uint32_t>(a.p[1]);
  LocalTensor<T> l1(TPosition::A1, address, kArea / sizeof(T));
  const DataCopyParams plain(a.p[0], a.p[1], a.p[2], a.p[3]);
  T value;
  std::memcpy(&value, &a.value, sizeof(T));
  const InitConstValueParams<T> fill(a.p[0], a.p[1], a.p[2], value);
  const auto at = static_cast<uint32_t>(a.p[7]);
  switch (a.operation) {
    case kIn:
      return DataCopy(l1, gm, plain);
    case kOut:
      return DataCopy(gm, l1, plain);
    case kInCount:
      return DataCopy(l1, gm, elements);
    case kOutCount:
      return DataCopy(gm, l1, elements);
    case kNd2Nz:
      return DataCopy(l1, gm,
                      Nd2NzParams(a.p[0], a.p[1], a.p[2], a.p[3], a.p[4], a.p[5], a.p[6], a.p[7]));
    case kFillL1:
      return Fill(l1, fill);
    case kFillL0:
      InitConstValue(LocalTensor<T>(TPosition::A2, at, 0), fill);
      return reveal(ascsim::Memory::kL0a, after, 65536);
    case kToBt:
      DataCopy(LocalTensor<T>(TPosition::C2, at, 0), l1, plain);
      return reveal(ascsim::Memory::kBt, after, 1024);
    case kToBtCount:
      DataCopy(LocalTensor<T>(TPosition::C2, at, 0), l1, elements);
      return reveal(ascsim::Memory::kBt, after, 1024);
    case kHalfToBt:
      DataCopy(LocalTensor<float>(TPosition::C2, at, 0), l1.template ReinterpretCast<half>(),
               plain);
      return reveal(ascsim::Memory::kBt, after, 1024);
    case kToFb:
      DataCopy(LocalTensor<uint64_t>(TPosition::C2PIPE2GM, at, 0),
               l1.template ReinterpretCast<uint64_t>(), plain);
      return reveal(ascsim::Memory::kFb, after, 7168);
    default:
      break;
  }
}

}  // namespace

extern "C" __global__ __aicore__ void move_cube(GM_ADDR arguments, GM_ADDR gm, GM_ADDR before,
                                                GM_ADDR after) {
  const auto& a = *reinterpret_cast<const Arguments*>(arguments);
  GlobalTensor<uint8_t> gm_before, gm_after;
  gm_before.SetGlobalBuffer(before);
  gm_after.SetGlobalBuffer(after);
  LocalTensor<uint8_t> area(TPosition::A1, 0, kArea);
  DataCopy(area, gm_before, kArea);
  PipeBarrier<PIPE_ALL>();
  Recorder recorder(gm);
  switch (a.width) {
    case 1:
      operate<int8_t>(a, gm, after);
      break;
    case 2:
      operate<int16_t>(a, gm, after);
      break;
    case 4:
      operate<int32_t>(a, gm, after);
      break;
    case 8:
      operate<int64_t>(a, gm, after);
      break;
    case 20:
      operate<half>(a, gm, after);
      break;
    case 40:
      operate<float>(a, gm, after);
      break;
    default:
      break;
  }
  if (a.record != 0) return recorder.dump(after);
  PipeBarrier<PIPE_ALL>();
  if (a.operation < kFillL0) DataCopy(gm_after, area, kArea);
}

ASC_KERNEL(move_cube, ascsim::KernelKind::kCube);

// 128 x 128 values of 16 bits, over and over: what the speed of a move depends on.
extern "C" __global__ __aicore__ void move_tiles(GM_ADDR x, uint32_t times) {
  GlobalTensor<half> gm;
  gm.SetGlobalBuffer(reinterpret_cast<half*>(x));
  LocalTensor<half> l1(TPosition::A1, 0, 128 * 128);
  for (uint32_t n = 0; n < times; ++n) {
    DataCopy(l1, gm, Nd2NzParams(1, 128, 128, 0, 128, 128, 1, 0));
    PipeBarrier<PIPE_MTE2>();
  }
}

ASC_KERNEL(move_tiles, ascsim::KernelKind::kCube);
