// Constants of the timing model, by name.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "ascsim/work.h"

namespace ascsim {

struct VectorPrice {
  double cycles4 = 1, cycles2 = 1;  // of a repeat, for 4-byte and for narrower elements
  double head = 0;
};

inline constexpr int kVectorClasses = static_cast<int>(VectorClass::kHighLevel) + 1;

struct Profile {
  std::string name;
#define ASC_TIMING(field, ...) double field = 0;
#include "timing/profiles.inc"
#undef ASC_TIMING
  std::array<VectorPrice, kVectorClasses> vector;

  // Bytes per cycle of the whole chip.
  double l2_bytes() const { return l2_rate * soc_cores; }
  double hbm_bytes() const { return hbm_rate * hbm_efficiency / (clock_mhz * 1e6); }
};

// "default", or with a variant of the chip: "default@910B3". Throws LaunchError for other names.
Profile find_profile(const std::string& name);

}  // namespace ascsim
