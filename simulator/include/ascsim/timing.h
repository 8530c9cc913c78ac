// Predicted time of a run. Every figure is a prediction of the profile named, never a measurement.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ascsim/types.h"

namespace ascsim {

struct PipeTime {
  CoreKind core = CoreKind::kAic;
  Pipe pipe = Pipe::kS;
  double busy_cycles = 0;  // mean over the cores that have the pipe
  double utilisation = 0;  // of the whole run
};

struct PathBytes {
  std::string path;  // "GM to L1", "HBM read", ...
  uint64_t bytes = 0;
};

struct Timing {
  std::string profile;
  double cycles = 0;               // predicted, from the first to the last instruction
  double microseconds = 0;         // predicted, with the profile's clock and launch time
  double launch_microseconds = 0;  // the profile's, contained in `microseconds`
  std::vector<PipeTime> pipes;
  double l2_utilisation = 0, hbm_utilisation = 0;
  std::vector<PathBytes> bytes;
  std::string bound_by;       // the busiest resource
  uint64_t peak_records = 0;  // most instructions that waited to be replayed: what memory went to
  std::string trace;          // Chrome trace JSON, with Options::trace

  std::string text() const;
  std::string json() const;
};

// "default@910B1" and the like mean a profile with the cores, clock, L2 and HBM of a variant.
std::vector<std::string> profile_names();

// A constant of the model: one value per profile, in the order of profile_names().
struct TimingConstant {
  const char* field;
  std::array<double, 3> values;
  const char* unit;
  char mark;  // D documented, M a published measurement, I inferred
  const char* source;
};

std::vector<TimingConstant> timing_constants();

}  // namespace ascsim
