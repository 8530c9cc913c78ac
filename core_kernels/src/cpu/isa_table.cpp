#include "cpu/isa_table.h"

#include <atomic>
#include <cstdlib>

namespace fa::cpu {

#if defined(FA_HAVE_AVX2)
static bool cpu_has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}
#endif

#if defined(FA_HAVE_AVX512)
static bool cpu_has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

std::vector<const Microkernels*> available_isas() {
  std::vector<const Microkernels*> isas;
#if defined(FA_HAVE_AVX512)
  if (cpu_has_avx512()) isas.push_back(&avx512::kMicrokernels);
#endif
#if defined(FA_HAVE_AVX2)
  if (cpu_has_avx2()) isas.push_back(&avx2::kMicrokernels);
#endif
  isas.push_back(&portable::kMicrokernels);
#if defined(FA_HAVE_WIDE)
  if (cpu_has_avx2()) isas.push_back(&wide::kMicrokernels);
#endif
  return isas;
}

// The ISA of that name, or null and an error that lists what there is.
static const Microkernels* find_isa(const std::string& name, Status* status) {
  std::string known;
  for (const Microkernels* isa : available_isas()) {
    if (name == isa->name) return isa;
    known += (known.empty() ? "" : ", ") + std::string(isa->name);
  }
  *status = invalid_argument("isa (FLASH_ATTN_NPU_ISA): got ", name, ", expected one of ", known);
  return nullptr;
}

namespace {

struct Selection {
  std::atomic<const Microkernels*> isa;
  Status environment;

  Selection() {
    const char* wanted = std::getenv("FLASH_ATTN_NPU_ISA");
    const Microkernels* named = wanted ? find_isa(wanted, &environment) : nullptr;
    isa = named ? named : available_isas().front();
  }
};

Selection& selection() {
  static Selection selection;
  return selection;
}

}  // namespace

const Microkernels& microkernels() { return *selection().isa.load(std::memory_order_relaxed); }

const RowKernels& row_kernels() {
  const Microkernels* isa = &microkernels();
#if defined(FA_HAVE_AVX512)
  if (isa == &avx512::kMicrokernels) return avx512::kRowKernels;
#endif
#if defined(FA_HAVE_AVX2)
  if (isa == &avx2::kMicrokernels) return avx2::kRowKernels;
#endif
#if defined(FA_HAVE_WIDE)
  if (isa == &wide::kMicrokernels) return wide::kRowKernels;
#endif
  return portable::kRowKernels;
}

const Status& environment_status() { return selection().environment; }

Status select_isa(const std::string& name) {
  Status status;
  const Microkernels* isa = find_isa(name, &status);
  if (isa) selection().isa.store(isa, std::memory_order_relaxed);
  return status;
}

}  // namespace fa::cpu
