// z = x + y over tiles of 2048 floats, double-buffered: loads, adds and stores overlap.
#include "kernel_operator.h"

using namespace AscendC;

constexpr uint32_t kTile = 2048;

extern "C" __global__ __aicore__ void double_buffered_add(GM_ADDR x, GM_ADDR y, GM_ADDR z,
                                                          uint32_t tiles) {
  GlobalTensor<float> gm_x, gm_y, gm_z;
  gm_x.SetGlobalBuffer((__gm__ float*)x);
  gm_y.SetGlobalBuffer((__gm__ float*)y);
  gm_z.SetGlobalBuffer((__gm__ float*)z);
  LocalTensor<float> in_x(TPosition::VECCALC, 0, 2 * kTile);
  LocalTensor<float> in_y(TPosition::VECCALC, 2 * kTile * 4, 2 * kTile);
  LocalTensor<float> out(TPosition::VECCALC, 4 * kTile * 4, 2 * kTile);
  for (int slot = 0; slot < 2; ++slot) {
    SetFlag<HardEvent::V_MTE2>(slot);
    SetFlag<HardEvent::MTE3_V>(slot);
  }
  int slot = 0;
  for (uint32_t tile = GetBlockIdx(); tile < tiles; tile += GetBlockNum()) {
    WaitFlag<HardEvent::V_MTE2>(slot);
    DataCopy(in_x[slot * kTile], gm_x[tile * kTile], kTile);
    DataCopy(in_y[slot * kTile], gm_y[tile * kTile], kTile);
    SetFlag<HardEvent::MTE2_V>(slot);
    WaitFlag<HardEvent::MTE2_V>(slot);
    WaitFlag<HardEvent::MTE3_V>(slot);
    Add(out[slot * kTile], in_x[slot * kTile], in_y[slot * kTile], kTile);
    SetFlag<HardEvent::V_MTE2>(slot);
    SetFlag<HardEvent::V_MTE3>(slot);
    WaitFlag<HardEvent::V_MTE3>(slot);
    DataCopy(gm_z[tile * kTile], out[slot * kTile], kTile);
    SetFlag<HardEvent::MTE3_V>(slot);
    slot = 1 - slot;
  }
  for (int slot = 0; slot < 2; ++slot) {
    WaitFlag<HardEvent::V_MTE2>(slot);
    WaitFlag<HardEvent::MTE3_V>(slot);
  }
}

ASC_KERNEL(double_buffered_add, ascsim::KernelKind::kVector);
