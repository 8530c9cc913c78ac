// How a kernel becomes known, and how host code starts it.
//
//   extern "C" __global__ __aicore__ void scale(GM_ADDR x, GM_ADDR y, uint32_t n) { ... }
//   ASC_KERNEL(scale, ascsim::KernelKind::kVector);
#pragma once

#include <tuple>
#include <utility>

#include "ascendc/base.h"
#include "ascsim/launch.h"

namespace AscendC::detail {

template <auto entry>
struct Entry;

template <typename... P, void (*entry)(P...)>
struct Entry<entry> {
  static void call(const void* const* arguments) {
    call(arguments, std::index_sequence_for<P...>{});
  }
  static std::vector<ascsim::Parameter> parameters() {
    return {ascsim::Parameter{std::is_pointer_v<P>, static_cast<uint32_t>(sizeof(P))}...};
  }

 private:
  template <size_t... i>
  static void call(const void* const* arguments, std::index_sequence<i...>) {
    entry(*static_cast<const std::remove_reference_t<P>*>(arguments[i])...);
  }
};

template <auto entry>
struct Registered {
  Registered(const char* name, ascsim::KernelKind kind) {
    constexpr bool aic = g_coreType == AIC;
    ascsim::register_kernel(name, kind, aic ? ascsim::CoreKind::kAic : ascsim::CoreKind::kAiv,
                            &Entry<entry>::call, Entry<entry>::parameters());
  }
};

}  // namespace AscendC::detail

#define ASC_KERNEL(name, kind) \
  static const AscendC::detail::Registered<&name> asc_registered_##name(#name, kind)
