#include "timing/profile.h"

#include "ascsim/report.h"
#include "ascsim/timing.h"

namespace ascsim {

namespace {

constexpr const char* kProfiles[] = {"default", "documented-vector", "pessimistic-gm"};

// platform_config/cann/<SoC>.ini of the CANN runtime.
struct Variant {
  const char* name;
  double cores, clock_mhz, l2_mib, hbm_rate;
};

constexpr Variant kVariants[] = {
    {"910B1", 24, 1850, 192, 1.6e12},    {"910B2", 24, 1800, 192, 1.6e12},
    {"910B3", 20, 1800, 192, 1.6e12},    {"910B4", 20, 1500, 96, 0.8e12},
    {"910B4-1", 20, 1500, 168, 0.8e12},  {"910_9391", 24, 1850, 192, 1.6e12},
    {"910_9381", 24, 1800, 192, 1.6e12}, {"910_9372", 20, 1800, 192, 1.6e12},
    {"910_9362", 20, 1500, 168, 1.6e12}, {"910_9363", 20, 1500, 168, 1.6e12},
};

void apply_variant(Profile& profile, const std::string& name) {
  std::string known;
  for (const Variant& v : kVariants) {
    known += std::string(known.empty() ? "" : ", ") + v.name;
    if (name != v.name) continue;
    // The L2's rate is a rate of its own, not one of the cores: it follows only the clock.
    profile.l2_rate *= profile.soc_cores / v.cores;
    profile.soc_cores = v.cores;
    profile.clock_mhz = v.clock_mhz;
    profile.l2_mib = v.l2_mib;
    profile.hbm_rate = v.hbm_rate;
    return;
  }
  throw LaunchError("no variant " + name + " of the chip; there are: " + known);
}

}  // namespace

std::vector<TimingConstant> timing_constants() {
  return {
#define ASC_TIMING(field, a, b, c, unit, mark, source) \
  {#field, {double(a), double(b), double(c)}, unit, mark, source},
#include "timing/profiles.inc"
#undef ASC_TIMING
#define ASC_VECTOR(op, a4, a2, d4, d2, head, mark, source)                               \
  {#op " 4 B", {double(a4), double(d4), double(a4)}, "cycles/repeat", mark, source},     \
      {#op " 2 B", {double(a2), double(d2), double(a2)}, "cycles/repeat", mark, source}, \
      {#op " head",                                                                      \
       {double(head), double(head), double(head)},                                       \
       "cycles",                                                                         \
       'D',                                                                              \
       "cycle model depth + 15 + 1, or as noted"},
#include "timing/vector.inc"
#undef ASC_VECTOR
  };
}

std::vector<std::string> profile_names() { return {std::begin(kProfiles), std::end(kProfiles)}; }

Profile find_profile(const std::string& name) {
  const size_t at = name.find('@');
  const std::string base = name.substr(0, at);
  size_t column = 0;
  while (column < std::size(kProfiles) && base != kProfiles[column]) ++column;
  if (column == std::size(kProfiles)) {
    std::string message = "no timing profile " + base + "; there are:";
    for (const char* known : kProfiles) message += std::string(" ") + known;
    throw LaunchError(message);
  }
  Profile p;
  p.name = name;
#define ASC_TIMING(field, a, b, c, ...) p.field = std::array<double, 3>{a, b, c}[column];
#include "timing/profiles.inc"
#undef ASC_TIMING
#define ASC_VECTOR(op, a4, a2, d4, d2, head, ...)  \
  p.vector[static_cast<size_t>(VectorClass::op)] = \
      column == 1 ? VectorPrice{d4, d2, head} : VectorPrice{a4, a2, head};
#include "timing/vector.inc"
#undef ASC_VECTOR
  if (at != std::string::npos) apply_variant(p, name.substr(at + 1));
  return p;
}

}  // namespace ascsim
