// The kernel object of the toolchain `simulator`: kernels run on the host. Without a stream a
// launch runs to its end before it returns; with one it becomes a task of a simulated device's
// stream.

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "ascsim/launch.h"
#include "ascsim/soc.h"
#include "npu/kernel_args.h"
#include "npu/kernel_object.h"
#include "npu/object/kernel_table.h"
#include "npu/object/sim_runtime.h"

namespace fa::npu {
namespace {

class InvalidSetting : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One of two words from an environment variable; the first is the default.
bool second_of(const char* variable, const char* first, const char* second) {
  const char* given = std::getenv(variable);
  const std::string word = given ? given : "";
  if (word.empty() || word == first) return false;
  if (word == second) return true;
  throw InvalidSetting(std::string(variable) + ": got " + word + ", expected " + first + " or " +
                       second);
}

// The file that predicted times are appended to, or "".
std::string timing_file() {
  const char* path = std::getenv("FLASH_ATTN_NPU_SIM_TIMING");
  return path ? path : "";
}

// A line per launch. Launches of several streams come from several threads.
void append_timing(const std::string& file, const char* kernel, int32_t cores,
                   const ascsim::Timing& timing) {
  char line[256];
  std::snprintf(line, sizeof(line), "%s %d %.0f %.2f\n", kernel, cores, timing.cycles,
                timing.microseconds);
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  std::ofstream(file, std::ios::app) << line;
}

ascsim::Options options() {
  ascsim::Options options;
  const std::string file = timing_file();
  options.timing = !file.empty();
  if (options.timing && !std::ofstream(file, std::ios::app)) {
    throw InvalidSetting("FLASH_ATTN_NPU_SIM_TIMING: got " + file +
                         ", expected a file that can be written");
  }
  options.hazards = second_of("FLASH_ATTN_NPU_SIM_HAZARDS", "0", "1");
  options.auto_barriers = second_of("FLASH_ATTN_NPU_SIM_BARRIERS", "explicit", "auto");
  return options;
}

// Both passes of the kernels lie beside this file.
void load_once() {
  static const bool loaded = [] {
    Dl_info self;
    if (dladdr(reinterpret_cast<const void*>(&load_once), &self) == 0) {
      throw ascsim::LaunchError("the kernel object does not find its folder");
    }
    const std::string path = self.dli_fname;
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    for (const char* pass : {"aic", "aiv"}) {
      ascsim::load_kernels(folder + "libfa_npu_kernels_" + pass + ".so");
    }
    return true;
  }();
  static_cast<void>(loaded);
}

std::vector<ascsim::GmDeclaration> declarations(const DeviceBuffer* buffers, int32_t count) {
  // For the test that a report arrives: the kernel must not know this buffer.
  const char* hidden = std::getenv("FLASH_ATTN_NPU_SIM_HIDE");
  std::vector<ascsim::GmDeclaration> known;
  for (const DeviceBuffer* b = buffers; b < buffers + count; ++b) {
    if (hidden && std::strcmp(hidden, b->name) == 0) continue;
    known.push_back(
        {b->name, reinterpret_cast<const void*>(b->address), b->bytes, b->defined != 0});
  }
  return known;
}

// Runs a kernel to its end; what the checks found, a line each.
std::string run(const char* kernel, int32_t cores, const void* args,
                const std::vector<ascsim::GmDeclaration>& buffers) {
  std::string text;
  const std::string file = timing_file();
  const ascsim::RunResult result = ascsim::run(kernel, cores, {args}, buffers, options());
  if (result.timing && !file.empty()) append_timing(file, kernel, cores, *result.timing);
  for (const ascsim::Report& report : result.reports) text += ascsim::to_text(report) + "\n";
  return text;
}

// A launch that waits in a stream, as bytes: this, the arguments, the buffers.
struct Waiting {
  const char* kernel;  // of the kernel table
  int64_t args_bytes;
  int32_t cores;
  int32_t buffer_count;
};

int run_waiting(void* bytes) {
  const char* at = static_cast<const char*>(bytes);
  Waiting waiting;
  std::memcpy(&waiting, at, sizeof(waiting));
  at += sizeof(waiting);
  const auto* buffers = reinterpret_cast<const DeviceBuffer*>(at + waiting.args_bytes);
  const std::string found =
      run(waiting.kernel, waiting.cores, at, declarations(buffers, waiting.buffer_count));
  if (!found.empty()) throw std::runtime_error(found);
  return 0;
}

const char* lasting_name(const char* kernel) {
  const KernelTable table = kernel_table();
  for (const KernelEntry* e = table.entries; e < table.entries + table.count; ++e) {
    if (std::strcmp(e->name, kernel) == 0) return e->name;
  }
  throw std::runtime_error(std::string("no kernel is called ") + kernel);
}

void enqueue(const LaunchRequest& request) {
  static_assert(sizeof(Waiting) % alignof(DeviceBuffer) == 0);
  const Waiting waiting = {lasting_name(request.kernel), request.args_bytes, request.cores,
                           request.buffer_count};
  std::string bytes(reinterpret_cast<const char*>(&waiting), sizeof(waiting));
  bytes.append(static_cast<const char*>(request.args), static_cast<size_t>(request.args_bytes));
  bytes.append(reinterpret_cast<const char*>(request.buffers),
               sizeof(DeviceBuffer) * static_cast<size_t>(request.buffer_count));
  const std::string name = std::string(request.operation) + ", kernel " + request.kernel;
  submit(request.stream, name.c_str(), run_waiting, bytes.data(), bytes.size());
}

LaunchOutcome attempt(const LaunchRequest& request, std::string* message) {
  try {
    load_once();
    if (request.stream) {
      options();  // wrong settings are errors of the call
      enqueue(request);
      return LaunchOutcome::kLaunched;
    }
    *message = run(request.kernel, request.cores, request.args,
                   declarations(request.buffers, request.buffer_count));
    return message->empty() ? LaunchOutcome::kLaunched : LaunchOutcome::kKernelDefect;
  } catch (const InvalidSetting& error) {
    *message = error.what();
    return LaunchOutcome::kInvalid;
  } catch (const std::exception& error) {
    *message = error.what();
    return LaunchOutcome::kFailed;
  }
}

int32_t cores() { return device_cores(ascsim::Soc::kMaxCores); }

LaunchOutcome launch(const LaunchRequest* request, char* message, int64_t message_bytes) {
  std::string text;
  const LaunchOutcome outcome = attempt(*request, &text);
  if (message_bytes > 0) {
    std::strncpy(message, text.c_str(), static_cast<size_t>(message_bytes - 1));
    message[message_bytes - 1] = '\0';
  }
  return outcome;
}

}  // namespace
}  // namespace fa::npu

extern "C" __attribute__((visibility("default"))) const fa::npu::KernelObject*
fa_npu_kernel_object() {
  using namespace fa::npu;
  static const KernelTable table = kernel_table();
  static const KernelObject object = {
      kKernelObjectAbi, sizeof(ForwardArgs), "simulator", table.entries, table.count, 1, cores,
      launch,
  };
  return &object;
}
