// ACL error codes that the runtime returns, and the messages that go with them.
#pragma once

#include <string>

namespace ascsim::cann {

using AclError = int;

// Names and values: acl/acl_base_rt.h and acl/error_codes/rt_error_codes.h of the torch_npu wheel
// (tests/cann_runtime compares them).
enum Code : AclError {
  kSuccess = 0,
  kInvalidParam = 100000,
  kOpNotFound = 100024,
  kUnsupportedDataType = 100026,
  kApiNotSupport = 200001,
  kRtParamInvalid = 107000,
  kRtInvalidDeviceId = 107001,
  kRtContextNull = 107002,
  kRtEventTimestampInvalid = 107006,
  kRtInvalidHandle = 107017,
  kRtStreamUnjoined = 107025,
  kRtStreamCaptured = 107027,
  kRtStreamNotCaptured = 107029,
  kRtCaptureModeNotSupport = 107030,
  kRtFeatureNotSupport = 207000,
  kRtMemoryAllocation = 207001,
  kRtMemoryFree = 207002,
  kRtEventNotComplete = 507006,
  kRtAicoreException = 507015,
  kRtStreamSyncTimeout = 507046,
  kRtEventSyncTimeout = 507047,
  kRtDeviceMemError = 507053,
};

// Parameters of an operator were refused (aclnn status).
constexpr AclError kAclnnParamNull = 161001;
constexpr AclError kAclnnParamInvalid = 161002;

// Result of a task or a check: a code and, unless it is kSuccess, why.
struct Outcome {
  AclError code = kSuccess;
  std::string message;

  bool ok() const { return code == kSuccess; }
};

// Keeps the message for aclGetRecentErrMsg of this thread, and returns the code.
AclError fail(AclError code, std::string message);
AclError fail(const Outcome& outcome);

// "aclrtX: not simulated": for entry points that exist only to be linked.
AclError unsupported(const char* entry);

// The latest message of this thread, once; null if there is none.
const char* take_message();
// The code of the latest failure of this thread.
AclError last_error(bool clear);

// Reports: what is wrong in the program without being the result of one call.
void report(const std::string& text);
std::string all_reports();
void clear_reports();

}  // namespace ascsim::cann
