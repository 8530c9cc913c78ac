// What the environment sets, read once.
#pragma once

#include <cstddef>
#include <string>

namespace ascsim::cann {

// When queued work runs.
enum class Schedule {
  kAsync,  // as soon as the stream's worker gets to it
  kLate,   // not before somebody waits for it: missing synchronisation always shows
  kSync,   // in the call that queues it
};

struct Config {
  int devices = 1;                       // ASCSIM_DEVICES
  std::string soc = "Ascend910B2";       // ASCSIM_SOC
  int cores = 24;                        // ASCSIM_CORES, AI cores; default: those of the SoC
  size_t memory = size_t{8} << 30;       // ASCSIM_MEMORY_MIB, per device
  Schedule schedule = Schedule::kAsync;  // ASCSIM_SCHEDULE: async, late, sync
  int task_delay_us = 0;                 // ASCSIM_TASK_DELAY_US, before each task of a stream
  int host_delay_us = 0;                 // ASCSIM_HOST_DELAY_US, in each launch of an operator
  bool leaks = false;                    // ASCSIM_LEAKS: report leaks at the end of the process
  bool log = false;                      // ASCSIM_LOG: every error as it is returned
};

// Stops the process with a message if a variable has a value that means nothing.
const Config& config();

}  // namespace ascsim::cann
