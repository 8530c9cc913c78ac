// What the kernels of this folder share. Each defines body<kClean>(x, y), where x and y are 64 KiB
// of GM (x full, y empty) and kClean is the twin without the defect.
//
// A comment "// @name" marks a line that the expected report names as {name}.
#pragma once

#include "kernel_operator.h"

using namespace AscendC;

constexpr uint32_t kCount = 256;  // floats of a tile of 1 KiB

inline LocalTensor<float> tile(uint32_t index) {
  return LocalTensor<float>(TPosition::VECCALC, index * 1024, kCount);
}

inline LocalTensor<float> l1_tile(uint32_t index) {
  return LocalTensor<float>(TPosition::A1, index * 1024, kCount);
}

inline GlobalTensor<float> floats(GM_ADDR at) {
  GlobalTensor<float> tensor;
  tensor.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(at));
  return tensor;
}

template <HardEvent event>
void order() {
  SetFlag<event>(0);
  WaitFlag<event>(0);
}

#define CHECK(name, kind)                                                                        \
  extern "C" __global__ __aicore__ void name(GM_ADDR x, GM_ADDR y) { body<false>(x, y); }        \
  extern "C" __global__ __aicore__ void name##_clean(GM_ADDR x, GM_ADDR y) { body<true>(x, y); } \
  ASC_KERNEL(name, ascsim::KernelKind::kind);                                                    \
  ASC_KERNEL(name##_clean, ascsim::KernelKind::kind)
