#include "ascsim/launch.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "check/cache.h"
#include "check/hazard.h"
#include "timing/timeline.h"

namespace ascsim {

namespace {

std::map<std::string, Kernel>& kernels() {
  static std::map<std::string, Kernel> all;
  return all;
}

bool same(const std::vector<Parameter>& a, const std::vector<Parameter>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].pointer != b[i].pointer || a[i].bytes != b[i].bytes) return false;
  }
  return true;
}

int most_blocks(KernelKind kind) {
  return kind == KernelKind::kVector ? Soc::kMaxCores * Soc::kAivPerCore : Soc::kMaxCores;
}

}  // namespace

void register_kernel(const char* name, KernelKind kind, CoreKind pass, KernelEntry entry,
                     std::vector<Parameter> parameters) {
  Kernel& kernel = kernels()[name];
  const bool first = kernel.aic == nullptr && kernel.aiv == nullptr;
  if (!first && (kernel.kind != kind || !same(kernel.parameters, parameters))) {
    throw SimulatorBug(std::string("kernel ") + name + ": its two passes differ");
  }
  kernel.name = name;
  kernel.kind = kind;
  kernel.parameters = std::move(parameters);
  (pass == CoreKind::kAic ? kernel.aic : kernel.aiv) = entry;
}

void load_kernels(const std::string& path) {
  // RTLD_LOCAL, and each pass hides its symbols: both passes define the same names.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) throw LaunchError(dlerror());
}

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const auto& [name, kernel] : kernels()) names.push_back(name);
  return names;
}

const Kernel& find_kernel(const std::string& name) {
  const auto found = kernels().find(name);
  if (found != kernels().end()) return found->second;
  std::string message = "no kernel " + name + " is loaded; there are:";
  for (const std::string& known : kernel_names()) message += " " + known;
  throw LaunchError(message);
}

RunResult run(const std::string& name, int blocks, const std::vector<const void*>& arguments,
              const std::vector<GmDeclaration>& buffers, const Options& options) {
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  const Kernel& kernel = find_kernel(name);
  const bool with_aic = kernel.kind != KernelKind::kVector;
  const bool with_aiv = kernel.kind != KernelKind::kCube;
  if ((with_aic && kernel.aic == nullptr) || (with_aiv && kernel.aiv == nullptr)) {
    throw LaunchError("kernel " + name + ": only one of its two passes is loaded");
  }
  if (blocks < 1 || blocks > most_blocks(kernel.kind)) {
    throw LaunchError("block_dim " + std::to_string(blocks) + ", allowed 1 to " +
                      std::to_string(most_blocks(kernel.kind)));
  }
  if (arguments.size() != kernel.parameters.size()) {
    throw LaunchError("kernel " + name + " takes " + std::to_string(kernel.parameters.size()) +
                      " arguments, got " + std::to_string(arguments.size()));
  }
  Machine machine(options, name, blocks, with_aic, with_aiv);
  for (const GmDeclaration& b : buffers) {
    if (!b.backed && options.execute) {
      throw LaunchError(b.name + " has no memory: only for runs with execute = false");
    }
    machine.gm.add(b.name, b.address, b.bytes, b.defined, options.checks, b.backed);
  }
  std::unique_ptr<Observer> hazards, caches;
  std::unique_ptr<Timeline> timeline;
  if (options.hazards) {
    hazards = make_hazard_check(machine);
    machine.observers.push_back(hazards.get());
    caches = make_cache_check(machine);
    machine.observers.push_back(caches.get());
  }
  if (options.timing) {
    timeline = make_timeline(options.profile, options.trace);
    machine.observers.push_back(timeline.get());
  }
  machine.run([&](Core& core) {
    (core.kind() == CoreKind::kAic ? kernel.aic : kernel.aiv)(arguments.data());
  });
  RunResult result;
  result.reports = machine.reports.reports();
  result.mutation_points = machine.mutation_points.settle();
  if (timeline) result.timing = std::make_unique<Timing>(timeline->result());
  return result;
}

}  // namespace ascsim
