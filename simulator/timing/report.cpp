// Timing as text and JSON.
#include <cstdio>

#include "ascsim/timing.h"

namespace ascsim {

namespace {

template <typename... Values>
void append(std::string& text, const char* format, Values... values) {
  char line[256];
  std::snprintf(line, sizeof(line), format, values...);
  text += line;
}

}  // namespace

std::string Timing::text() const {
  std::string text = "predicted by profile " + profile + " (not measured):\n";
  append(text, "  predicted cycles       %.0f\n", cycles);
  append(text, "  predicted microseconds %.2f, of these %.1f for the launch\n", microseconds,
         launch_microseconds);
  text += "  predicted bound        " + bound_by + "\n";
  for (const PipeTime& p : pipes) {
    append(text, "  predicted busy         %s %-5s %6.1f %% (%.0f cycles)\n", name_of(p.core),
           name_of(p.pipe), 100 * p.utilisation, p.busy_cycles);
  }
  append(text, "  predicted busy         L2        %6.1f %%\n", 100 * l2_utilisation);
  append(text, "  predicted busy         HBM       %6.1f %%\n", 100 * hbm_utilisation);
  for (const PathBytes& path : bytes) {
    append(text, "  predicted bytes        %-9s %llu\n", path.path.c_str(),
           static_cast<unsigned long long>(path.bytes));
  }
  return text;
}

std::string Timing::json() const {
  std::string text = "{\"profile\": \"" + profile + "\"";
  append(text, ", \"predicted_cycles\": %.2f, \"predicted_microseconds\": %.4f", cycles,
         microseconds);
  append(text, ", \"assumed_launch_microseconds\": %.2f", launch_microseconds);
  text += ", \"predicted_bound\": \"" + bound_by + "\", \"predicted_pipes\": [";
  const char* separator = "";
  for (const PipeTime& p : pipes) {
    append(text,
           "%s{\"core\": \"%s\", \"pipe\": \"%s\", \"busy_cycles\": %.2f, \"utilisation\": %.6f}",
           separator, name_of(p.core), name_of(p.pipe), p.busy_cycles, p.utilisation);
    separator = ", ";
  }
  append(text, "], \"predicted_l2_utilisation\": %.6f, \"predicted_hbm_utilisation\": %.6f",
         l2_utilisation, hbm_utilisation);
  text += ", \"predicted_bytes\": {";
  separator = "";
  for (const PathBytes& path : bytes) {
    append(text, "%s\"%s\": %llu", separator, path.path.c_str(),
           static_cast<unsigned long long>(path.bytes));
    separator = ", ";
  }
  return text + "}}";
}

}  // namespace ascsim
