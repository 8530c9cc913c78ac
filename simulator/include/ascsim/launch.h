// Kernels by name, and their launch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ascsim/machine.h"
#include "ascsim/timing.h"

namespace ascsim {

// Which cores a kernel runs on. block_dim counts AI cores, for kVector single AIVs.
enum class KernelKind : uint8_t { kMix, kCube, kVector };

struct Parameter {
  bool pointer = false;  // a GM address
  uint32_t bytes = 8;
};

// The entry of one pass. `arguments[i]` points to the value of parameter i.
using KernelEntry = void (*)(const void* const* arguments);

struct Kernel {
  std::string name;
  KernelKind kind = KernelKind::kMix;
  std::vector<Parameter> parameters;
  KernelEntry aic = nullptr;
  KernelEntry aiv = nullptr;
};

// Called when a kernel library is loaded, once per pass.
void register_kernel(const char* name, KernelKind kind, CoreKind pass, KernelEntry entry,
                     std::vector<Parameter> parameters);

// Opens a kernel library of one pass; throws LaunchError with the loader's message.
void load_kernels(const std::string& path);

std::vector<std::string> kernel_names();
const Kernel& find_kernel(const std::string& name);  // throws LaunchError, naming those there are

struct GmDeclaration {
  std::string name;
  const void* address = nullptr;
  int64_t bytes = 0;
  bool defined = true;  // false: an output or workspace whose content means nothing yet
  bool backed = true;   // false: addresses without memory, for timing-only runs
};

struct RunResult {
  std::vector<Report> reports;
  std::vector<MutationPoint> mutation_points;  // with Options::mutation_points
  std::unique_ptr<Timing> timing;              // with Options::timing
};

// Runs a kernel on `blocks` cores until it ends. Buffers not declared are out of bounds.
RunResult run(const std::string& kernel, int blocks, const std::vector<const void*>& arguments,
              const std::vector<GmDeclaration>& buffers, const Options& options);

}  // namespace ascsim
