// CATLASS's block-level matmuls under main functions of our own: C = A * B on as many cores as
// asked.
#include "kernel_operator.h"

#include "catlass/arch/arch.hpp"
#include "catlass/arch/resource.hpp"
#include "catlass/catlass.hpp"
#include "catlass/gemm/block/block_mmad.hpp"
#include "catlass/gemm/block/block_swizzle.hpp"
#include "catlass/gemm/dispatch_policy.hpp"
#include "catlass/gemm/gemm_type.hpp"
#include "catlass/layout/layout.hpp"

namespace {

using namespace Catlass;
using Arch::AtlasA2;
using layout::ColumnMajor;
using layout::RowMajor;

template <class Element, class LayoutA, class LayoutB, class Policy, class L1Tile, class L0Tile>
struct Matmul {
  using Block =
      Gemm::Block::BlockMmad<Policy, L1Tile, L0Tile, Gemm::GemmType<Element, LayoutA>,
                             Gemm::GemmType<Element, LayoutB>, Gemm::GemmType<float, RowMajor>>;
  using Scheduler = Gemm::Block::GemmIdentityBlockSwizzle<3, 0>;

  AscendC::GlobalTensor<Element> a, b;
  AscendC::GlobalTensor<float> c;
  LayoutA layout_a;
  LayoutB layout_b;
  RowMajor layout_c;
  Scheduler scheduler;

  __aicore__ Matmul(GM_ADDR gm_a, GM_ADDR gm_b, GM_ADDR gm_c, GemmCoord shape)
      : layout_a(LayoutA::template MakeLayout<Element>(shape.m(), shape.k())),
        layout_b(LayoutB::template MakeLayout<Element>(shape.k(), shape.n())),
        layout_c(RowMajor::template MakeLayout<float>(shape.m(), shape.n())),
        scheduler(shape, MakeCoord(L1Tile::M, L1Tile::N)) {
    a.SetGlobalBuffer((__gm__ Element*)gm_a);
    b.SetGlobalBuffer((__gm__ Element*)gm_b);
    c.SetGlobalBuffer((__gm__ float*)gm_c);
  }

  __aicore__ AscendC::GlobalTensor<Element> a_of(GemmCoord at) {
    return a[layout_a.GetOffset(MatrixCoord{at.m() * L1Tile::M, at.k() * L1Tile::K})];
  }
  __aicore__ AscendC::GlobalTensor<Element> b_of(GemmCoord at) {
    return b[layout_b.GetOffset(MatrixCoord{at.k() * L1Tile::K, at.n() * L1Tile::N})];
  }
  __aicore__ AscendC::GlobalTensor<float> c_of(GemmCoord at) {
    return c[layout_c.GetOffset(MatrixCoord{at.m() * L1Tile::M, at.n() * L1Tile::N})];
  }
};

// One block after the other.
template <class M>
__aicore__ void run_plain(M& matmul) {
  Arch::Resource<AtlasA2> resource;
  typename M::Block block(resource);
  const uint32_t blocks = matmul.scheduler.GetCoreLoops();
  for (uint32_t i = AscendC::GetBlockIdx(); i < blocks; i += AscendC::GetBlockNum()) {
    const GemmCoord at = matmul.scheduler.GetBlockCoord(i);
    block(matmul.a_of(at), matmul.layout_a, matmul.b_of(at), matmul.layout_b, matmul.c_of(at),
          matmul.layout_c, matmul.scheduler.GetActualBlockShape(at));
  }
  AscendC::PipeBarrier<PIPE_ALL>();
}

// Each block loads the first tiles of the next one.
template <class M>
__aicore__ void run_preload(M& matmul) {
  Arch::Resource<AtlasA2> resource;
  typename M::Block block(resource);
  const uint32_t blocks = matmul.scheduler.GetCoreLoops();
  const uint32_t first = AscendC::GetBlockIdx();
  for (uint32_t i = first; i < blocks; i += AscendC::GetBlockNum()) {
    const bool more = i + AscendC::GetBlockNum() < blocks;
    const GemmCoord at = matmul.scheduler.GetBlockCoord(i);
    const GemmCoord next = more ? matmul.scheduler.GetBlockCoord(i + AscendC::GetBlockNum()) : at;
    block(matmul.a_of(at), matmul.layout_a, matmul.b_of(at), matmul.layout_b, matmul.c_of(at),
          matmul.layout_c, matmul.a_of(next), matmul.b_of(next),
          matmul.scheduler.GetActualBlockShape(at), matmul.scheduler.GetActualBlockShape(next),
          i == first, more);
  }
  AscendC::PipeBarrier<PIPE_ALL>();
}

using SmallL1 = GemmShape<64, 128, 128>;
using SmallL0 = GemmShape<64, 128, 64>;
using LargeL1 = GemmShape<128, 256, 256>;
using LargeL0 = GemmShape<128, 256, 64>;

}  // namespace

#define MATMUL(name, run, Element, LayoutA, LayoutB, Policy, L1, L0)                       \
  extern "C" __global__ __aicore__ void name(GM_ADDR a, GM_ADDR b, GM_ADDR c, uint32_t m,  \
                                             uint32_t n, uint32_t k) {                     \
    Matmul<Element, LayoutA, LayoutB, Policy, L1, L0> matmul(a, b, c, GemmCoord{m, n, k}); \
    run(matmul);                                                                           \
  }                                                                                        \
  ASC_KERNEL(name, ascsim::KernelKind::kCube);

#define LAYOUTS(prefix, run, Element, Policy)                                        \
  MATMUL(prefix##_rr, run, Element, RowMajor, RowMajor, Policy, SmallL1, SmallL0)    \
  MATMUL(prefix##_rc, run, Element, RowMajor, ColumnMajor, Policy, SmallL1, SmallL0) \
  MATMUL(prefix##_cr, run, Element, ColumnMajor, RowMajor, Policy, SmallL1, SmallL0) \
  MATMUL(prefix##_cc, run, Element, ColumnMajor, ColumnMajor, Policy, SmallL1, SmallL0)

LAYOUTS(catlass_pingpong_fp16, run_plain, half, Gemm::MmadAtlasA2Pingpong<false>)
LAYOUTS(catlass_pingpong_bf16, run_plain, bfloat16_t, Gemm::MmadAtlasA2Pingpong<false>)
using Preload = Gemm::MmadAtlasA2Preload<false, false>;
LAYOUTS(catlass_preload_fp16, run_preload, half, Preload)
LAYOUTS(catlass_preload_bf16, run_preload, bfloat16_t, Preload)
MATMUL(catlass_unit_flag_fp16_rr, run_plain, half, RowMajor, RowMajor,
       Gemm::MmadAtlasA2Pingpong<true>, SmallL1, SmallL0)
MATMUL(catlass_unit_flag_bf16_rc, run_plain, bfloat16_t, RowMajor, ColumnMajor,
       Gemm::MmadAtlasA2Pingpong<true>, SmallL1, SmallL0)
MATMUL(catlass_large_fp16, run_plain, half, RowMajor, RowMajor, Gemm::MmadAtlasA2Pingpong<true>,
       LargeL1, LargeL0)
