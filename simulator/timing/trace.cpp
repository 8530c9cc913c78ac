// The "Trace Event Format" of Chrome and Perfetto, which MindStudio Insight reads too: a process
// per core, a thread per pipe, a complete event ("X") per instruction.
#include "timing/trace.h"

#include <cstdio>
#include <cstring>

namespace ascsim {

namespace {

template <typename... Values>
void append(std::string& text, const char* format, Values... values) {
  char line[512];
  const int n = std::snprintf(line, sizeof(line), format, values...);
  text.append(line, static_cast<size_t>(std::min<int>(n, sizeof(line) - 1)));
}

std::string escaped(const char* text) {
  std::string result;
  for (; *text != '\0'; ++text) {
    if (*text == '"' || *text == '\\') result += '\\';
    result += *text;
  }
  return result;
}

}  // namespace

std::string trace_json(const Profile& profile, const std::vector<const Core*>& cores,
                       const std::vector<Slice>& slices) {
  std::string text = "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"time\": \"predicted\", ";
  append(text, "\"profile\": \"%s\", \"clock_mhz\": %.0f},\n\"traceEvents\": [\n",
         profile.name.c_str(), profile.clock_mhz);
  const char* separator = "";
  for (const Core* core : cores) {
    append(text,
           "%s{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": %d, \"args\": {\"name\": \"%s "
           "%d.%d\"}}",
           separator, core->index(), name_of(core->kind()), core->block(), core->sub_block());
    separator = ",\n";
    for (int p = 0; p < kPipes; ++p) {
      append(text,
             "%s{\"ph\": \"M\", \"name\": \"thread_name\", \"pid\": %d, \"tid\": %d, \"args\": "
             "{\"name\": \"%s\"}}",
             separator, core->index(), p, name_of(static_cast<Pipe>(p)));
    }
  }
  for (const Slice& s : slices) {
    const char* slash = std::strrchr(s.site.file, '/');
    append(text,
           "%s{\"ph\": \"X\", \"name\": \"%s\", \"pid\": %d, \"tid\": %d, \"ts\": %.4f, \"dur\": "
           "%.4f, \"args\": {\"line\": \"%s:%d\", \"predicted cycles\": %.1f}}",
           separator, s.operation, s.core, static_cast<int>(s.pipe), s.begin / profile.clock_mhz,
           (s.end - s.begin) / profile.clock_mhz,
           escaped(slash == nullptr ? s.site.file : slash + 1).c_str(), s.site.line,
           s.end - s.begin);
    separator = ",\n";
  }
  return text + "\n]}\n";
}

}  // namespace ascsim
