// The kernel object of the toolchain `simulator`: kernels run on the host, to their end, before a
// launch returns.

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "ascsim/launch.h"
#include "ascsim/soc.h"
#include "npu/kernel_args.h"
#include "npu/kernel_object.h"
#include "npu/object/kernel_table.h"

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

ascsim::Options options() {
  ascsim::Options options;
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

void run(const LaunchRequest& request, std::vector<ascsim::Report>* reports) {
  load_once();
  void* const args = reinterpret_cast<void*>(request.device_args);
  std::memcpy(args, request.args, static_cast<size_t>(request.args_bytes));
  // For the test that a report arrives: the kernel must not know this buffer.
  const char* hidden = std::getenv("FLASH_ATTN_NPU_SIM_HIDE");
  std::vector<ascsim::GmDeclaration> buffers;
  for (int32_t i = 0; i < request.buffer_count; ++i) {
    const DeviceBuffer& b = request.buffers[i];
    if (hidden && std::strcmp(hidden, b.name) == 0) continue;
    buffers.push_back({b.name, reinterpret_cast<const void*>(b.address), b.bytes, b.defined != 0});
  }
  *reports = ascsim::run(request.kernel, request.cores, {&request.device_args}, buffers, options())
                 .reports;
}

LaunchOutcome attempt(const LaunchRequest& request, std::string* message) {
  try {
    std::vector<ascsim::Report> reports;
    run(request, &reports);
    if (reports.empty()) return LaunchOutcome::kLaunched;
    for (const ascsim::Report& report : reports) *message += ascsim::to_text(report) + "\n";
    return LaunchOutcome::kKernelDefect;
  } catch (const InvalidSetting& error) {
    *message = error.what();
    return LaunchOutcome::kInvalid;
  } catch (const std::exception& error) {
    *message = error.what();
    return LaunchOutcome::kFailed;
  }
}

int32_t cores() { return ascsim::Soc::kMaxCores; }

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
      kKernelObjectAbi, sizeof(ForwardArgs), "simulator", table.entries, table.count, 0, cores,
      launch,
  };
  return &object;
}
