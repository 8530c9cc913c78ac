#include "cpu/isa_table.h"

#include <atomic>
#include <cstdlib>

#if defined(FA_HAVE_NEON)
#include <sys/auxv.h>
#endif

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

#if defined(FA_HAVE_AVX512BF16)
static bool cpu_has_avx512bf16() {
  return cpu_has_avx512() && __builtin_cpu_supports("avx512bf16");
}
#endif

#if defined(FA_HAVE_NEON)
static bool cpu_has_neon() { return (getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0; }
#endif

namespace {

// What a name of the table stands for.
struct Isa {
  Microkernels kernels;
  const RowKernels* rows;
};

Isa with_pairs(const char* name, const Microkernels& base, const RowKernels& rows,
               const PairKernels& pairs) {
  Isa isa = {base, &rows};
  isa.kernels.name = name;
  isa.kernels.pairs = &pairs;
  return isa;
}

// What this machine and its operating system run, best first.
std::vector<Isa> find_isas() {
  std::vector<Isa> isas;
#if defined(FA_HAVE_AVX512)
  if (cpu_has_avx512()) isas.push_back({avx512::kMicrokernels, &avx512::kRowKernels});
#endif
#if defined(FA_HAVE_AVX512BF16)
  if (cpu_has_avx512bf16()) {
    // AMD's units take a product of pairs in the time of an fp32 product, which is half the work;
    // Intel's take four times as long.
    auto place = __builtin_cpu_is("amd") ? isas.begin() : isas.end();
    isas.insert(place, with_pairs("avx512bf16", avx512::kMicrokernels, avx512::kRowKernels,
                                  avx512bf16::kPairKernels));
  }
#endif
#if defined(FA_HAVE_AVX2)
  if (cpu_has_avx2()) isas.push_back({avx2::kMicrokernels, &avx2::kRowKernels});
#endif
#if defined(FA_HAVE_NEON)
  if (cpu_has_neon()) isas.push_back({neon::kMicrokernels, &neon::kRowKernels});
#endif
  isas.push_back({portable::kMicrokernels, &portable::kRowKernels});
#if defined(FA_HAVE_WIDE)
  if (cpu_has_avx2()) {
    isas.push_back(with_pairs("wide", wide::kMicrokernels, wide::kRowKernels, wide::kPairKernels));
  }
#endif
  return isas;
}

const std::vector<Isa>& isas() {
  static const std::vector<Isa> isas = find_isas();
  return isas;
}

}  // namespace

std::vector<const Microkernels*> available_isas() {
  std::vector<const Microkernels*> kernels;
  for (const Isa& isa : isas()) kernels.push_back(&isa.kernels);
  return kernels;
}

// The ISA of that name, or null and an error that lists what there is.
static const Isa* find_isa(const std::string& name, Status* status) {
  std::string known;
  for (const Isa& isa : isas()) {
    if (name == isa.kernels.name) return &isa;
    known += (known.empty() ? "" : ", ") + std::string(isa.kernels.name);
  }
  *status = invalid_argument("isa (FLASH_ATTN_NPU_ISA): got ", name, ", expected one of ", known);
  return nullptr;
}

namespace {

struct Selection {
  std::atomic<const Isa*> isa;
  Status environment;

  Selection() {
    const char* wanted = std::getenv("FLASH_ATTN_NPU_ISA");
    const Isa* named = wanted ? find_isa(wanted, &environment) : nullptr;
    isa = named ? named : &isas().front();
  }
};

Selection& selection() {
  static Selection selection;
  return selection;
}

}  // namespace

static const Isa& isa_in_use() { return *selection().isa.load(std::memory_order_relaxed); }

const Microkernels& microkernels() { return isa_in_use().kernels; }

const RowKernels& row_kernels() { return *isa_in_use().rows; }

const Status& environment_status() { return selection().environment; }

Status select_isa(const std::string& name) {
  Status status;
  const Isa* isa = find_isa(name, &status);
  if (isa) selection().isa.store(isa, std::memory_order_relaxed);
  return status;
}

}  // namespace fa::cpu
