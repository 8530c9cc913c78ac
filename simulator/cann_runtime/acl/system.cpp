// Versions, options, messages.
#include <array>
#include <atomic>
#include <cstring>

#include "acl/acl.h"

using namespace ascsim::cann;

namespace {

constexpr const char* kVersion = "8.5.0";  // of the CANN whose interface this is
constexpr size_t kVersionBytes = 128;      // of the first field of aclCANNPackageVersion
constexpr const char* kCompileOption = "disable";

// Options that a program sets and reads back; none changes anything here: results are always
// deterministic.
constexpr int kOptions = 64;
std::array<std::atomic<int64_t>, kOptions> g_options{};

AclError get_option(const char* entry, int option, int64_t* value) {
  if (value == nullptr) return null_argument(entry);
  if (option < 0 || option >= kOptions) {
    return fail(kRtParamInvalid, std::string(entry) + ": no option " + std::to_string(option));
  }
  *value = g_options[static_cast<size_t>(option)];
  return kSuccess;
}

AclError set_option(const char* entry, int option, int64_t value) {
  int64_t before = 0;
  const AclError error = get_option(entry, option, &before);
  if (error == kSuccess) g_options[static_cast<size_t>(option)] = value;
  return error;
}

}  // namespace

ACL_ENTRY int aclsysGetCANNVersion(int /*package*/, char* version) {
  if (version == nullptr) return null_argument("aclsysGetCANNVersion");
  std::memset(version, 0, kVersionBytes);
  std::strcpy(version, kVersion);
  return kSuccess;
}

ACL_ENTRY int aclsysGetVersionStr(char* /*package*/, char* version) {
  if (version == nullptr) return null_argument("aclsysGetVersionStr");
  std::strcpy(version, kVersion);
  return kSuccess;
}

// Infinities and NaN, bf16: yes; just-in-time compilation: no.
ACL_ENTRY int aclGetCannAttribute(int attribute, int32_t* value) {
  if (value == nullptr) return null_argument("aclGetCannAttribute");
  *value = attribute == 0 || attribute == 1 ? 1 : 0;
  return kSuccess;
}

ACL_ENTRY int aclGetCannAttributeList(const int** list, size_t* count) {
  if (list == nullptr || count == nullptr) return null_argument("aclGetCannAttributeList");
  static const int supported[] = {0, 1};
  *list = supported;
  *count = std::size(supported);
  return kSuccess;
}

ACL_ENTRY int aclrtGetSysParamOpt(int option, int64_t* value) {
  return get_option("aclrtGetSysParamOpt", option, value);
}
ACL_ENTRY int aclrtSetSysParamOpt(int option, int64_t value) {
  return set_option("aclrtSetSysParamOpt", option, value);
}
ACL_ENTRY int aclrtCtxGetSysParamOpt(int option, int64_t* value) {
  return get_option("aclrtCtxGetSysParamOpt", option, value);
}
ACL_ENTRY int aclrtCtxSetSysParamOpt(int option, int64_t value) {
  return set_option("aclrtCtxSetSysParamOpt", option, value);
}

// Compilation of operators, of which there is none.
ACL_ENTRY int aclSetCompileopt(int /*option*/, const char* /*value*/) { return kSuccess; }
ACL_ENTRY size_t aclGetCompileoptSize(int /*option*/) { return std::strlen(kCompileOption) + 1; }
ACL_ENTRY int aclGetCompileopt(int /*option*/, char* value, size_t bytes) {
  if (value == nullptr) return null_argument("aclGetCompileopt");
  if (bytes <= std::strlen(kCompileOption)) {
    return fail(kInvalidParam, "aclGetCompileopt: room for " + std::to_string(bytes) + " bytes");
  }
  std::strcpy(value, kCompileOption);
  return kSuccess;
}

// Without a message: an empty text. Some callers print the result as it is.
ACL_ENTRY const char* aclGetRecentErrMsg() {
  const char* message = take_message();
  return message == nullptr ? "" : message;
}
ACL_ENTRY int aclrtPeekAtLastError(int /*level*/) { return last_error(false); }
ACL_ENTRY int aclrtGetLastError(int /*level*/) { return last_error(true); }

// Saturation and time limits of operators: computed as on the chip by default, without limits.
ACL_ENTRY int aclrtSetDeviceSatMode(int /*mode*/) { return kSuccess; }
ACL_ENTRY int aclrtSetOpExecuteTimeOut(uint32_t /*seconds*/) { return kSuccess; }
ACL_ENTRY int aclrtSetOpExecuteTimeOutV2(uint64_t timeout, uint64_t* actual) {
  if (actual != nullptr) *actual = timeout;
  return kSuccess;
}
ACL_ENTRY int aclrtSetOpWaitTimeout(uint32_t /*seconds*/) { return kSuccess; }
