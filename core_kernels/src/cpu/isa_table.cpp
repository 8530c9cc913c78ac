#include "cpu/isa_table.h"

#include <atomic>
#include <cstdlib>

namespace fa::cpu {

static bool cpu_has_avx2() {
#if defined(FA_HAVE_AVX2)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

static bool cpu_has_avx512() {
#if defined(FA_HAVE_AVX512)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

std::vector<const Microkernels*> available_isas() {
  std::vector<const Microkernels*> isas;
#if defined(FA_HAVE_AVX512)
  if (cpu_has_avx512()) isas.push_back(&avx512::kMicrokernels);
#endif
#if defined(FA_HAVE_AVX2)
  if (cpu_has_avx2()) isas.push_back(&avx2::kMicrokernels);
#endif
  (void)cpu_has_avx2;
  (void)cpu_has_avx512;
  isas.push_back(&portable::kMicrokernels);
  return isas;
}

static const Microkernels* first_choice() {
  const char* wanted = std::getenv("FLASH_ATTN_NPU_ISA");
  std::vector<const Microkernels*> isas = available_isas();
  for (const Microkernels* isa : isas) {
    if (wanted && std::string(wanted) == isa->name) return isa;
  }
  return isas.front();
}

static std::atomic<const Microkernels*>& selected() {
  static std::atomic<const Microkernels*> isa{first_choice()};
  return isa;
}

const Microkernels& microkernels() { return *selected().load(std::memory_order_relaxed); }

Status select_isa(const std::string& name) {
  std::string known;
  for (const Microkernels* isa : available_isas()) {
    if (name == isa->name) {
      selected().store(isa, std::memory_order_relaxed);
      return {};
    }
    known += (known.empty() ? "" : ", ") + std::string(isa->name);
  }
  return invalid_argument("isa: got ", name, ", expected one of ", known);
}

}  // namespace fa::cpu
