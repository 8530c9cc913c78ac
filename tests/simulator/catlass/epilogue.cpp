// D = A * B + X: CATLASS's matmul on the AIC, its element-wise epilogue on the AIVs, joined by
// flags.
#include "kernel_operator.h"

#include "catlass/arch/arch.hpp"
#include "catlass/arch/cross_core_sync.hpp"
#include "catlass/arch/resource.hpp"
#include "catlass/catlass.hpp"
#include "catlass/epilogue/block/block_epilogue.hpp"
#include "catlass/epilogue/dispatch_policy.hpp"
#include "catlass/epilogue/tile/tile_copy.hpp"
#include "catlass/epilogue/tile/tile_elemwise_add.hpp"
#include "catlass/gemm/block/block_mmad.hpp"
#include "catlass/gemm/block/block_swizzle.hpp"
#include "catlass/gemm/dispatch_policy.hpp"
#include "catlass/gemm/gemm_type.hpp"
#include "catlass/layout/layout.hpp"

namespace {

using namespace Catlass;
using Arch::AtlasA2;
using layout::RowMajor;

constexpr uint32_t kComputeLength =
    8192;  // elements of one AIV's half block: 64 x 128 / 2, doubled

template <class Element>
struct MatmulAdd {
  using L1Tile = GemmShape<64, 128, 128>;
  using L0Tile = GemmShape<64, 128, 64>;
  using Type = Gemm::GemmType<Element, RowMajor>;
  using Block =
      Gemm::Block::BlockMmad<Gemm::MmadAtlasA2Pingpong<true>, L1Tile, L0Tile, Type, Type, Type>;
  using Add = Epilogue::Tile::TileElemWiseAdd<AtlasA2, Type, kComputeLength>;
  using Copy = Epilogue::Tile::TileCopy<AtlasA2, Type, Type, Type>;
  using BlockEpilogue = Epilogue::Block::BlockEpilogue<Epilogue::EpilogueAtlasA2ElemWiseOneSource,
                                                       Type, Type, Type, Add, Copy>;
  using Scheduler = Gemm::Block::GemmIdentityBlockSwizzle<3, 1>;

  GemmCoord shape;
  RowMajor layout_a, layout_b, layout_c;
  Scheduler scheduler;
  Arch::Resource<AtlasA2> resource;
  Arch::CrossCoreFlagWithReverse<> stored{0, 1};

  __aicore__ explicit MatmulAdd(GemmCoord problem)
      : shape(problem),
        layout_a(RowMajor::template MakeLayout<Element>(shape.m(), shape.k())),
        layout_b(RowMajor::template MakeLayout<Element>(shape.k(), shape.n())),
        layout_c(RowMajor::template MakeLayout<Element>(shape.m(), shape.n())),
        scheduler(shape, MakeCoord(L1Tile::M, L1Tile::N)) {}

  __aicore__ static AscendC::GlobalTensor<Element> tensor(GM_ADDR address) {
    AscendC::GlobalTensor<Element> t;
    t.SetGlobalBuffer((__gm__ Element*)address);
    return t;
  }

  __aicore__ void multiply(GM_ADDR a, GM_ADDR b, GM_ADDR product) {
    Block block(resource);
    for (uint32_t i = AscendC::GetBlockIdx(); i < scheduler.GetCoreLoops();
         i += AscendC::GetBlockNum()) {
      const GemmCoord at = scheduler.GetBlockCoord(i);
      const MatrixCoord a_at{at.m() * L1Tile::M, at.k() * L1Tile::K};
      const MatrixCoord b_at{at.k() * L1Tile::K, at.n() * L1Tile::N};
      const MatrixCoord c_at{at.m() * L1Tile::M, at.n() * L1Tile::N};
      block(tensor(a)[layout_a.GetOffset(a_at)], layout_a, tensor(b)[layout_b.GetOffset(b_at)],
            layout_b, tensor(product)[layout_c.GetOffset(c_at)], layout_c,
            scheduler.GetActualBlockShape(at));
      Arch::CrossCoreSetFlagWithReverse<0x2, PIPE_FIX>(stored);
    }
    AscendC::PipeBarrier<PIPE_ALL>();
  }

  __aicore__ void add(GM_ADDR product, GM_ADDR x, GM_ADDR d) {
    BlockEpilogue epilogue(resource, {x, layout_c, d, layout_c});
    const uint32_t core = AscendC::GetBlockIdx() / AscendC::GetSubBlockNum();
    for (uint32_t i = core; i < scheduler.GetCoreLoops(); i += AscendC::GetBlockNum()) {
      const GemmCoord at = scheduler.GetBlockCoord(i);
      const GemmCoord actual = scheduler.GetActualBlockShape(at);
      const MatrixCoord c_at{at.m() * L1Tile::M, at.n() * L1Tile::N};
      Arch::CrossCoreWaitFlagWithReverse<0x2, PIPE_MTE3>(stored);
      epilogue(L1Tile::ToCoord(), at, actual, tensor(product)[layout_c.GetOffset(c_at)],
               layout_c.GetTileLayout(actual.GetCoordMN()));
    }
    AscendC::PipeBarrier<PIPE_ALL>();
  }
};

}  // namespace

#define MATMUL_ADD(name, Element)                                                              \
  extern "C" __global__ __aicore__ void name(GM_ADDR a, GM_ADDR b, GM_ADDR x, GM_ADDR product, \
                                             GM_ADDR d, uint32_t m, uint32_t n, uint32_t k) {  \
    MatmulAdd<Element> kernel(GemmCoord{m, n, k});                                             \
    if ASCEND_IS_AIC {                                                                         \
      kernel.multiply(a, b, product);                                                          \
    } else {                                                                                   \
      kernel.add(product, x, d);                                                               \
    }                                                                                          \
  }                                                                                            \
  ASC_KERNEL(name, ascsim::KernelKind::kMix);

MATMUL_ADD(catlass_matmul_add_fp16, half)
