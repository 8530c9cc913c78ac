#include "runtime/context.h"

#include <array>

#include "runtime/config.h"

namespace ascsim::cann {

namespace {

constexpr int kMaxDevices = 16;
constexpr int kNone = -1;
thread_local int t_device = kNone;
std::array<char, kMaxDevices> g_contexts;

}  // namespace

bool has_device() { return t_device != kNone; }
int current_device() { return has_device() ? t_device : 0; }

AclError set_device(int device) {
  if (device < 0 || device >= config().devices) {
    return fail(kRtInvalidDeviceId, "device " + std::to_string(device) + ": there are " +
                                        std::to_string(config().devices));
  }
  t_device = device;
  return kSuccess;
}

void* context_of(int device) { return &g_contexts.at(static_cast<size_t>(device)); }

AclError set_context(void* context) {
  for (int device = 0; device < config().devices; ++device) {
    if (context == context_of(device)) return set_device(device);
  }
  return fail(kRtInvalidHandle, "no such context");
}

}  // namespace ascsim::cann
