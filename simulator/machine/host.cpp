#include "ascsim/host.h"

#include <algorithm>
#include <mutex>

namespace ascsim {

namespace {

std::mutex g_mutex;

std::vector<GmDeclaration>& buffers() {
  static std::vector<GmDeclaration> all;
  return all;
}

std::string all_texts(const std::vector<Report>& reports) {
  std::string text;
  for (const Report& report : reports) text += to_text(report) + "\n";
  return text;
}

}  // namespace

void add_buffer(std::string name, const void* address, int64_t bytes, bool defined) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  buffers().push_back({std::move(name), address, bytes, defined, true});
}

void remove_buffer(const void* address) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  auto& all = buffers();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const GmDeclaration& b) { return b.address == address; });
  if (found == all.end()) throw LaunchError("no buffer starts at this address");
  all.erase(found);
}

std::vector<GmDeclaration> known_buffers() {
  const std::lock_guard<std::mutex> lock(g_mutex);
  return buffers();
}

Options& launch_options() {
  static Options options;
  return options;
}

KernelDefect::KernelDefect(std::vector<Report> reports)
    : std::runtime_error(all_texts(reports)), reports_(std::move(reports)) {}

RunResult detail::launch_checked(const std::string& name, int blocks,
                                 const std::vector<const void*>& arguments,
                                 const std::vector<Parameter>& given) {
  const Kernel& kernel = find_kernel(name);
  for (size_t i = 0; i < std::min(given.size(), kernel.parameters.size()); ++i) {
    const Parameter& wanted = kernel.parameters[i];
    if (given[i].pointer == wanted.pointer && given[i].bytes == wanted.bytes) continue;
    throw LaunchError("kernel " + name + ", argument " + std::to_string(i) + ": " +
                      std::to_string(given[i].bytes) + " bytes given, the parameter has " +
                      std::to_string(wanted.bytes));
  }
  RunResult result = run(name, blocks, arguments, known_buffers(), launch_options());
  if (!result.reports.empty()) throw KernelDefect(std::move(result.reports));
  return result;
}

}  // namespace ascsim
