// Initialisation, devices, contexts.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "acl/acl.h"
#include "runtime/config.h"
#include "runtime/context.h"
#include "runtime/counters.h"
#include "runtime/memory.h"

using namespace ascsim::cann;

namespace {

constexpr int kAicoreCoreNum = 101;
constexpr int kCubeCoreNum = 102;
constexpr int kVectorCoreNum = 201;
constexpr int kTotalGlobalMemory = 301;
constexpr int kL2CacheSize = 302;
constexpr int64_t kL2Bytes = int64_t{192} << 20;
constexpr int kVectorPerCore = 2;

void at_end() {
  if (!config().leaks) return;
  synchronize_device(-1);
  check_guards();
  check_leaks();
}

AclError core_count(const char* entry, int type, uint32_t* value) {
  if (value == nullptr) return null_argument(entry);
  if (type != 0 && type != 1) {
    return fail(kRtParamInvalid, std::string(entry) + ": resource " + std::to_string(type) +
                                     ", expected 0 (cube cores) or 1 (vector cores)");
  }
  *value = static_cast<uint32_t>(config().cores * (type == 0 ? 1 : kVectorPerCore));
  return kSuccess;
}

AclError set_int(const char* entry, int value, int* target) {
  if (target == nullptr) return null_argument(entry);
  *target = value;
  return kSuccess;
}

// torch_npu takes this as the sign that it has to set a device, and its context, itself.
AclError no_context(const char* entry) {
  return fail(kRtContextNull, std::string(entry) + ": the thread has set no device");
}

}  // namespace

ACL_ENTRY int aclInit(const char* /*config_path*/) {
  static const int registered = std::atexit(at_end);
  return registered == 0 ? kSuccess : kApiNotSupport;
}

ACL_ENTRY int aclFinalize() { return fail(synchronize_device(-1)); }

ACL_ENTRY int aclrtSetDevice(int32_t device) { return set_device(device); }
ACL_ENTRY int aclrtGetDevice(int32_t* device) {
  if (!has_device()) return no_context("aclrtGetDevice");
  return set_int("aclrtGetDevice", current_device(), device);
}
ACL_ENTRY int aclrtResetDevice(int32_t device) { return fail(synchronize_device(device)); }
ACL_ENTRY int aclrtResetDeviceForce(int32_t device) { return fail(synchronize_device(device)); }

ACL_ENTRY int aclrtGetDeviceCount(uint32_t* count) {
  if (count == nullptr) return null_argument("aclrtGetDeviceCount");
  *count = static_cast<uint32_t>(config().devices);
  return kSuccess;
}

ACL_ENTRY const char* aclrtGetSocName() { return config().soc.c_str(); }

ACL_ENTRY int aclrtGetDeviceInfo(uint32_t device, int attribute, int64_t* value) {
  if (value == nullptr) return null_argument("aclrtGetDeviceInfo");
  if (static_cast<int>(device) >= config().devices) return set_device(static_cast<int>(device));
  switch (attribute) {
    case kAicoreCoreNum:
    case kCubeCoreNum:
      *value = config().cores;
      return kSuccess;
    case kVectorCoreNum:
      *value = config().cores * kVectorPerCore;
      return kSuccess;
    case kTotalGlobalMemory:
      *value = static_cast<int64_t>(config().memory);
      return kSuccess;
    case kL2CacheSize:
      *value = kL2Bytes;
      return kSuccess;
    default:
      return fail(kRtFeatureNotSupport,
                  "aclrtGetDeviceInfo: attribute " + std::to_string(attribute) + " not simulated");
  }
}

ACL_ENTRY int aclGetDeviceCapability(uint32_t /*device*/, int info, int64_t* value) {
  if (value == nullptr) return null_argument("aclGetDeviceCapability");
  const int64_t known[] = {config().cores, config().cores * kVectorPerCore, kL2Bytes};
  if (info < 0 || info > 2) {
    return fail(kRtFeatureNotSupport,
                "aclGetDeviceCapability: " + std::to_string(info) + " not simulated");
  }
  *value = known[info];
  return kSuccess;
}

ACL_ENTRY int aclrtGetDeviceResLimit(int32_t /*device*/, int type, uint32_t* value) {
  return core_count("aclrtGetDeviceResLimit", type, value);
}
ACL_ENTRY int aclrtGetStreamResLimit(Handle /*stream*/, int type, uint32_t* value) {
  return core_count("aclrtGetStreamResLimit", type, value);
}
ACL_ENTRY int aclrtGetResInCurrentThread(int type, uint32_t* value) {
  return core_count("aclrtGetResInCurrentThread", type, value);
}

ACL_ENTRY int aclrtDeviceCanAccessPeer(int32_t* can, int32_t /*device*/, int32_t /*peer*/) {
  return set_int("aclrtDeviceCanAccessPeer", 1, can);
}
ACL_ENTRY int aclrtDeviceEnablePeerAccess(int32_t /*peer*/, uint32_t /*flags*/) { return kSuccess; }
ACL_ENTRY int aclrtDeviceDisablePeerAccess(int32_t /*peer*/) { return kSuccess; }
ACL_ENTRY int aclrtDeviceGetBareTgid(int32_t* pid) {
  return set_int("aclrtDeviceGetBareTgid", static_cast<int>(getpid()), pid);
}
ACL_ENTRY int aclrtGetRunMode(int* mode) { return set_int("aclrtGetRunMode", 1, mode); }  // host

ACL_ENTRY int aclrtDeviceGetUuid(int32_t device, void* uuid) {
  constexpr size_t kUuidBytes = 16;
  if (uuid == nullptr) return null_argument("aclrtDeviceGetUuid");
  std::memset(uuid, 0, kUuidBytes);
  std::memcpy(uuid, &device, sizeof(device));
  return kSuccess;
}

ACL_ENTRY int aclrtCreateContext(Handle* context, int32_t device) {
  if (context == nullptr) return null_argument("aclrtCreateContext");
  const AclError error = set_device(device);
  if (error == kSuccess) *context = context_of(device);
  return error;
}
ACL_ENTRY int aclrtDestroyContext(Handle /*context*/) { return kSuccess; }
ACL_ENTRY int aclrtGetCurrentContext(Handle* context) {
  if (context == nullptr) return null_argument("aclrtGetCurrentContext");
  if (!has_device()) return no_context("aclrtGetCurrentContext");
  *context = context_of(current_device());
  return kSuccess;
}
ACL_ENTRY int aclrtSetCurrentContext(Handle context) { return set_context(context); }

ACL_ENTRY int aclrtSynchronizeDevice() {
  ++counters().device_synchronisations;
  return fail(synchronize_device(current_device()));
}
ACL_ENTRY int aclrtSynchronizeDeviceWithTimeout(int32_t timeout_ms) {
  ++counters().device_synchronisations;
  return fail(synchronize_device(current_device(), timeout_ms));
}
