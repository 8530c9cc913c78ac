#pragma once

// Attention forward: the two roles of a core and the entries, one per dtype and bucket of head
// dims.

#include <type_traits>

#include "kernel_operator.h"
#include "npu/kernels/config.h"
#include "npu/kernels/cube_role.h"
#include "npu/kernels/entry.h"
#include "npu/kernels/mla_cube_role.h"
#include "npu/kernels/unowned.h"
#include "npu/kernels/vector_role.h"

namespace fa::npu {

// Where the output of a task takes several blocks of columns, values come once for all of them.
template <typename Config>
using CubeRoleOf =
    std::conditional_t<(Config::kValueDim > kTile), MlaCubeRole<Config>, CubeRole<Config>>;

template <typename Config, typename Cube>
__aicore__ inline void forward(const ForwardArgs& args) {
  const int64_t core = AscendC::GetBlockIdx() / AscendC::GetSubBlockNum();
  const bool twice = Config::kExtras && args.dropout.probs.address != 0;
  Schedule schedule(args, Stack<Config>::kKeys, twice, core, AscendC::GetBlockNum());
  if ASCEND_IS_AIC {
    Cube cube(args, schedule, core);
    run_units(schedule, cube);
    cube.drain();
  } else {
    VectorRole<Config> vector(args, schedule, core, AscendC::GetSubBlockIdx());
    run_units(schedule, vector);
    vector.drain();
    const int64_t vectors = AscendC::GetSubBlockNum();
    const int32_t first = static_cast<int32_t>(core * vectors + AscendC::GetSubBlockIdx());
    const int32_t step = static_cast<int32_t>(AscendC::GetBlockNum() * vectors);
    UnownedRows<Config> unowned(args);
    unowned.clear(first, step);
    vector.clear_unowned(first, step);
  }
}

}  // namespace fa::npu

#define FA_FORWARD_KERNEL(name, T, head_dim, value_dim, extras, int8)                   \
  extern "C" __global__ __mix__(1, 2) __aicore__ void name(fa::npu::ForwardArgs args) { \
    using Config = fa::npu::KernelConfig<T, head_dim, value_dim, extras, int8>;         \
    fa::npu::forward<Config, fa::npu::CubeRoleOf<Config>>(args);                        \
  }                                                                                     \
  FA_REGISTER_KERNEL(name, kMix, ForwardArgs)

#define FA_MLA_KERNEL(name, T)                                                          \
  extern "C" __global__ __mix__(1, 2) __aicore__ void name(fa::npu::ForwardArgs args) { \
    using Config = fa::npu::MlaConfig<T>;                                               \
    fa::npu::forward<Config, fa::npu::MlaCubeRole<Config>>(args);                       \
  }                                                                                     \
  FA_REGISTER_KERNEL(name, kMix, ForwardArgs)
