// Several products in one launch, CATLASS's scheduler updated from group to group.
//
// sizes: one {m, n, k} of uint32 per group; the matrices lie one behind the other.
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
using layout::RowMajor;

using L1Tile = GemmShape<64, 128, 128>;
using L0Tile = GemmShape<64, 128, 64>;

template <class Element>
__aicore__ void grouped(GM_ADDR gm_a, GM_ADDR gm_b, GM_ADDR gm_c, GM_ADDR gm_sizes,
                        uint32_t groups) {
  using In = Gemm::GemmType<Element, RowMajor>;
  using Block = Gemm::Block::BlockMmad<Gemm::MmadAtlasA2PreloadAsync<1, 2, 2, 2, 1, false, false>,
                                       L1Tile, L0Tile, In, In, Gemm::GemmType<float, RowMajor>>;
  AscendC::GlobalTensor<Element> a, b;
  AscendC::GlobalTensor<float> c;
  AscendC::GlobalTensor<uint32_t> sizes;
  a.SetGlobalBuffer((__gm__ Element*)gm_a);
  b.SetGlobalBuffer((__gm__ Element*)gm_b);
  c.SetGlobalBuffer((__gm__ float*)gm_c);
  sizes.SetGlobalBuffer((__gm__ uint32_t*)gm_sizes);

  Arch::Resource<Arch::AtlasA2> resource;
  Block block(resource);
  Gemm::Block::GemmIdentityBlockSwizzle<3, 0> scheduler;
  const uint32_t cores = AscendC::GetBlockNum();
  uint64_t a_begin = 0, b_begin = 0, c_begin = 0;
  uint32_t first = 0;  // the core that takes the group's first block
  for (uint32_t group = 0; group < groups; ++group) {
    const GemmCoord shape{sizes.GetValue(group * 3), sizes.GetValue(group * 3 + 1),
                          sizes.GetValue(group * 3 + 2)};
    const RowMajor layout_a(shape.m(), shape.k());
    const RowMajor layout_b(shape.k(), shape.n());
    const RowMajor layout_c(shape.m(), shape.n());
    scheduler.Update(shape, MakeCoord(L1Tile::M, L1Tile::N));
    const uint32_t blocks = scheduler.GetCoreLoops();
    for (uint32_t i = (AscendC::GetBlockIdx() + cores - first) % cores; i < blocks; i += cores) {
      const GemmCoord at = scheduler.GetBlockCoord(i);
      const MatrixCoord a_at{at.m() * L1Tile::M, at.k() * L1Tile::K};
      const MatrixCoord b_at{at.k() * L1Tile::K, at.n() * L1Tile::N};
      const MatrixCoord c_at{at.m() * L1Tile::M, at.n() * L1Tile::N};
      block(a[a_begin + layout_a.GetOffset(a_at)], layout_a, b[b_begin + layout_b.GetOffset(b_at)],
            layout_b, c[c_begin + layout_c.GetOffset(c_at)], layout_c,
            scheduler.GetActualBlockShape(at));
    }
    a_begin += static_cast<uint64_t>(shape.m()) * shape.k();
    b_begin += static_cast<uint64_t>(shape.k()) * shape.n();
    c_begin += static_cast<uint64_t>(shape.m()) * shape.n();
    first = (first + blocks) % cores;
  }
  block.SynchronizeBlock();
  AscendC::PipeBarrier<PIPE_ALL>();
}

}  // namespace

extern "C" __global__ __aicore__ void catlass_grouped_bf16(GM_ADDR a, GM_ADDR b, GM_ADDR c,
                                                           GM_ADDR sizes, uint32_t groups) {
  grouped<bfloat16_t>(a, b, c, sizes, groups);
}
ASC_KERNEL(catlass_grouped_bf16, ascsim::KernelKind::kCube);
