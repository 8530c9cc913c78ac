// One fractal of 16 x 16 halves in L0A and L0B, for checks of the cube pipes.
#pragma once

#include "check.h"

inline LocalTensor<half> l0a() { return LocalTensor<half>(TPosition::A2, 0, kCount); }
inline LocalTensor<half> l0b() { return LocalTensor<half>(TPosition::B2, 0, kCount); }
inline LocalTensor<float> l0c() { return LocalTensor<float>(TPosition::CO1, 0, kCount); }

inline LoadData2DParams one_fractal() {
  LoadData2DParams params;
  params.repeatTimes = 1;
  params.srcStride = 1;
  return params;
}

inline void load_operands(GM_ADDR x) {
  GlobalTensor<half> gm;
  gm.SetGlobalBuffer(reinterpret_cast<__gm__ half*>(x));
  LocalTensor<half> l1(TPosition::A1, 0, kCount);
  DataCopy(l1, gm, kCount);
  order<HardEvent::MTE2_MTE1>();
  LoadData(l0a(), l1, one_fractal());
  LoadData(l0b(), l1, one_fractal());
  order<HardEvent::MTE1_M>();
}

inline MmadParams one_tile(bool first, uint8_t unit_flag = 0) {
  MmadParams params;
  params.m = params.n = params.k = 16;
  params.cmatrixInitVal = first;
  params.unitFlag = unit_flag;
  return params;
}

inline FixpipeParamsV220 store_tile(uint8_t unit_flag = 0) {
  FixpipeParamsV220 params;
  params.nSize = params.mSize = params.srcStride = 16;
  params.dstStride = 16;
  params.unitFlag = unit_flag;
  return params;
}
