#include "runtime/config.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ascsim::cann {

namespace {

struct Soc {
  const char* name;
  int cores;
};

// AI cores: platform_config of the CANN runtime.
constexpr std::array<Soc, 7> kSocs{{
    {"Ascend910B1", 24},
    {"Ascend910B2", 24},
    {"Ascend910B3", 20},
    {"Ascend910B4", 20},
    {"Ascend910_9391", 24},
    {"Ascend910_9392", 24},
    {"Ascend310P3", 8},  // for refusals: kernels are not for it
}};

[[noreturn]] void refuse(const char* variable, const char* value, const std::string& allowed) {
  std::fprintf(stderr, "[ascsim] %s=%s: expected %s\n", variable, value, allowed.c_str());
  std::_Exit(2);  // not exit: its handlers read the configuration
}

long number(const char* variable, long otherwise, long least, long most) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return otherwise;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < least || value > most) {
    refuse(variable, text, std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

Schedule schedule() {
  const char* text = std::getenv("ASCSIM_SCHEDULE");
  if (text == nullptr || std::strcmp(text, "async") == 0) return Schedule::kAsync;
  if (std::strcmp(text, "late") == 0) return Schedule::kLate;
  if (std::strcmp(text, "sync") == 0) return Schedule::kSync;
  refuse("ASCSIM_SCHEDULE", text, "async, late or sync");
}

const Soc& soc() {
  const char* text = std::getenv("ASCSIM_SOC");
  const std::string wanted = text == nullptr ? "Ascend910B2" : text;
  std::string names;
  for (const Soc& known : kSocs) {
    if (wanted == known.name) return known;
    names += names.empty() ? known.name : std::string(", ") + known.name;
  }
  refuse("ASCSIM_SOC", text, names);
}

Config read() {
  Config c;
  const Soc& chip = soc();
  c.devices = static_cast<int>(number("ASCSIM_DEVICES", 1, 1, 16));
  c.soc = chip.name;
  c.cores = static_cast<int>(number("ASCSIM_CORES", chip.cores, 1, chip.cores));
  c.memory = static_cast<size_t>(number("ASCSIM_MEMORY_MIB", 8192, 1, 1 << 20)) << 20;
  c.schedule = schedule();
  c.task_delay_us = static_cast<int>(number("ASCSIM_TASK_DELAY_US", 0, 0, 10'000'000));
  c.host_delay_us = static_cast<int>(number("ASCSIM_HOST_DELAY_US", 0, 0, 10'000'000));
  c.leaks = number("ASCSIM_LEAKS", 0, 0, 1) == 1;
  c.log = number("ASCSIM_LOG", 0, 0, 1) == 1;
  return c;
}

}  // namespace

const Config& config() {
  static const Config* values = new Config(read());
  return *values;
}

}  // namespace ascsim::cann
