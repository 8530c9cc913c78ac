// Scalar accesses to GM beside those of DMA: `flags` says which clean is left out or misplaced.
#include "kernel_operator.h"

using namespace AscendC;

enum Flags : uint32_t {
  kCleanBeforeRead = 1,
  kCleanTooEarly = 2,
  kCleanAll = 4,
  kCleanAfterStore = 8,
  kReadNeighbour = 16,
  kCleanPastIt = 32
};

// Core 0 writes a block by DMA, core 1 reads a number of it by scalar after a barrier of all cores.
extern "C" __global__ __aicore__ void scalar_reads_dma(GM_ADDR block, GM_ADDR out, uint32_t flags) {
  GlobalTensor<int32_t> gm, gm_out;
  gm.SetGlobalBuffer(reinterpret_cast<int32_t*>(block));
  gm_out.SetGlobalBuffer(reinterpret_cast<int32_t*>(out));
  LocalTensor<int32_t> ub(TPosition::VECCALC, 0, 8);
  if (GetBlockIdx() == 1 && (flags & kCleanTooEarly) != 0) {
    DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(gm);
  }
  SyncAll();
  if (GetBlockIdx() == 0) {
    for (int n = 0; n < 8; ++n) ub.SetValue(n, 100 + n);
    SetFlag<HardEvent::S_MTE3>(0);
    WaitFlag<HardEvent::S_MTE3>(0);
    DataCopy(gm, ub, 8);
  }
  SyncAll();
  if (GetBlockIdx() == 1) {
    if ((flags & kCleanBeforeRead) != 0) {
      DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(gm);
    }
    if ((flags & kCleanAll) != 0)
      DataCacheCleanAndInvalid<int32_t, CacheLine::ENTIRE_DATA_CACHE>(gm);
    if ((flags & kCleanPastIt) != 0) {
      DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE>(gm[5]);
    }
    gm_out.SetValue(0, gm.GetValue((flags & kReadNeighbour) != 0 ? 8 : 3));
    DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(gm_out);
  }
}
ASC_KERNEL(scalar_reads_dma, ascsim::KernelKind::kVector);

// Core 0 stores a number by scalar, core 1 moves it by DMA after a barrier of all cores. Behind
// another one the line is cleaned in any case.
extern "C" __global__ __aicore__ void dma_reads_scalar(GM_ADDR block, GM_ADDR out, uint32_t flags) {
  GlobalTensor<int32_t> gm, gm_out;
  gm.SetGlobalBuffer(reinterpret_cast<int32_t*>(block));
  gm_out.SetGlobalBuffer(reinterpret_cast<int32_t*>(out));
  LocalTensor<int32_t> ub(TPosition::VECCALC, 0, 8);
  if (GetBlockIdx() == 0) {
    gm.SetValue(3, 77);
    if ((flags & kCleanAfterStore) != 0) {
      DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(gm);
    }
  }
  SyncAll();
  if (GetBlockIdx() == 1) {
    DataCopy(ub, gm[(flags & kReadNeighbour) != 0 ? 8 : 0], 8);
    SetFlag<HardEvent::MTE2_MTE3>(0);
    WaitFlag<HardEvent::MTE2_MTE3>(0);
    DataCopy(gm_out, ub, 8);
  }
  SyncAll();
  if (GetBlockIdx() == 0) {
    DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(gm);
  }
}
ASC_KERNEL(dma_reads_scalar, ascsim::KernelKind::kVector);
