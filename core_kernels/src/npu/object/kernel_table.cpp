#include "npu/object/kernel_table.h"

#include "fa/dtype.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/config.h"

namespace fa::npu {
namespace {

template <typename Config>
constexpr KernelEntry entry(const char* name, DType dtype) {
  return {name,
          static_cast<int32_t>(dtype),
          Config::kHeadDim,
          Config::kValueDim,
          Config::kExtras ? 1 : 0,
          TaskRows<Config>::kCube,
          KernelRole::kForward,
          Workspace<Config>::kBytesPerCore};
}

constexpr KernelEntry vector(const char* name, DType dtype, KernelRole role) {
  return {name, static_cast<int32_t>(dtype), 0, 0, 0, 0, role, 0};
}

// A line for each FA_FORWARD_KERNEL of ../kernels.
constexpr KernelEntry kEntries[] = {
    entry<KernelConfig<half, 64, 64, false>>("fa_forward_fp16_d64", DType::kFloat16),
    entry<KernelConfig<half, 128, 128, false>>("fa_forward_fp16_d128", DType::kFloat16),
    entry<KernelConfig<half, 192, 128, false>>("fa_forward_fp16_d192v128", DType::kFloat16),
    entry<KernelConfig<half, 256, 256, false>>("fa_forward_fp16_d256", DType::kFloat16),
    entry<KernelConfig<bfloat16_t, 64, 64, false>>("fa_forward_bf16_d64", DType::kBFloat16),
    entry<KernelConfig<bfloat16_t, 128, 128, false>>("fa_forward_bf16_d128", DType::kBFloat16),
    entry<KernelConfig<bfloat16_t, 192, 128, false>>("fa_forward_bf16_d192v128", DType::kBFloat16),
    entry<KernelConfig<bfloat16_t, 256, 256, false>>("fa_forward_bf16_d256", DType::kBFloat16),
    entry<KernelConfig<half, 64, 64, true>>("fa_forward_fp16_d64_extras", DType::kFloat16),
    entry<KernelConfig<half, 128, 128, true>>("fa_forward_fp16_d128_extras", DType::kFloat16),
    entry<KernelConfig<half, 192, 128, true>>("fa_forward_fp16_d192v128_extras", DType::kFloat16),
    entry<KernelConfig<half, 256, 256, true>>("fa_forward_fp16_d256_extras", DType::kFloat16),
    entry<KernelConfig<bfloat16_t, 64, 64, true>>("fa_forward_bf16_d64_extras", DType::kBFloat16),
    entry<KernelConfig<bfloat16_t, 128, 128, true>>("fa_forward_bf16_d128_extras",
                                                    DType::kBFloat16),
    entry<KernelConfig<bfloat16_t, 192, 128, true>>("fa_forward_bf16_d192v128_extras",
                                                    DType::kBFloat16),
    entry<KernelConfig<bfloat16_t, 256, 256, true>>("fa_forward_bf16_d256_extras",
                                                    DType::kBFloat16),
    vector("fa_combine_fp32", DType::kFloat32, KernelRole::kCombine),
    vector("fa_combine_fp16", DType::kFloat16, KernelRole::kCombine),
    vector("fa_combine_bf16", DType::kBFloat16, KernelRole::kCombine),
    vector("fa_append_fp16", DType::kFloat16, KernelRole::kAppend),
    vector("fa_append_bf16", DType::kBFloat16, KernelRole::kAppend),
};

}  // namespace

KernelTable kernel_table() { return {kEntries, sizeof(kEntries) / sizeof(kEntries[0])}; }

}  // namespace fa::npu
