#include "npu/object/kernel_table.h"

#include "fa/dtype.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/config.h"
#include "npu/object/kernel_list.h"

namespace fa::npu {
namespace {

template <typename T>
struct ElementType;
template <>
struct ElementType<half> {
  static constexpr DType kDType = DType::kFloat16;
};
template <>
struct ElementType<bfloat16_t> {
  static constexpr DType kDType = DType::kBFloat16;
};
template <>
struct ElementType<float> {
  static constexpr DType kDType = DType::kFloat32;
};

template <typename Config>
constexpr KernelEntry forward_entry(const char* name) {
  return {name,
          static_cast<int32_t>(ElementType<typename Config::Element>::kDType),
          Config::kHeadDim,
          Config::kValueDim,
          0,
          Config::kExtras ? 1 : 0,
          Config::kInt8 ? 1 : 0,
          TaskRows<Config>::kCube,
          KernelRole::kForward,
          Workspace<Config>::kBytesPerCore};
}

template <typename T>
constexpr KernelEntry mla_entry(const char* name) {
  KernelEntry entry = forward_entry<MlaConfig<T>>(name);
  entry.qv = 1;
  return entry;
}

template <typename T>
constexpr KernelEntry vector_entry(const char* name, KernelRole role) {
  return {name, static_cast<int32_t>(ElementType<T>::kDType), 0, 0, 0, 0, 0, 0, role, 0};
}

#define FA_FORWARD_ENTRY(name, T, head_dim, value_dim, extras, int8) \
  forward_entry<KernelConfig<T, head_dim, value_dim, extras, int8>>(#name),
#define FA_MLA_ENTRY(name, T) mla_entry<T>(#name),
#define FA_VECTOR_ENTRY(name, T, role) vector_entry<T>(#name, KernelRole::role),

constexpr KernelEntry kEntries[] = {FA_FORWARD_KERNELS(FA_FORWARD_ENTRY) FA_MLA_KERNELS(
    FA_MLA_ENTRY) FA_VECTOR_KERNELS(FA_VECTOR_ENTRY)};

}  // namespace

KernelTable kernel_table() { return {kEntries, sizeof(kEntries) / sizeof(kEntries[0])}; }

}  // namespace fa::npu
