// ACL for the stand-in: one device, one stream, and what a test says about memory.
#include <cstdlib>
#include <string>

#include "acl/acl.h"
#include "ascsim/host.h"

namespace {

constexpr aclError kFailed = 507000;
thread_local aclError g_error = ACL_SUCCESS;
thread_local std::string g_text;
int g_stream;

}  // namespace

extern "C" {

aclError aclrtGetDevice(int32_t* device) {
  *device = 0;
  return std::getenv("STAND_IN_NO_DEVICE") ? kFailed : ACL_SUCCESS;
}

aclError aclrtGetDeviceInfo(uint32_t device, aclrtDevAttr attribute, int64_t* value) {
  if (device != 0 || attribute != ACL_DEV_ATTR_CUBE_CORE_NUM) return kFailed;
  *value = 20;
  return ACL_SUCCESS;
}

aclError aclrtPeekAtLastError(aclrtLastErrLevel) { return g_error; }

aclError aclrtGetLastError(aclrtLastErrLevel) {
  const aclError error = g_error;
  g_error = ACL_SUCCESS;
  return error;
}

const char* aclGetRecentErrMsg() { return g_text.empty() ? nullptr : g_text.c_str(); }

void stand_in_fail(const char* text) {
  g_error = kFailed;
  g_text = text;
}

void* stand_in_stream() { return &g_stream; }
bool stand_in_knows(const void* stream) { return stream == &g_stream; }

void stand_in_add_memory(const char* name, const void* address, int64_t bytes, bool defined) {
  ascsim::launch_options().hazards = true;
  ascsim::add_buffer(name, address, bytes, defined);
}

void stand_in_remove_memory(const void* address) { ascsim::remove_buffer(address); }

}  // extern "C"
