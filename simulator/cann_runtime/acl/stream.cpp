// Streams.
#include "runtime/stream.h"

#include "acl/acl.h"
#include "runtime/context.h"
#include "runtime/counters.h"

using namespace ascsim::cann;
using StreamPointer = std::shared_ptr<Stream>;

namespace {

constexpr int kFailureModeAttribute = 1;

AclError create(const char* entry, Handle* stream, uint32_t flags) {
  if (stream == nullptr) return null_argument(entry);
  *stream = create_stream(current_device(), flags);
  return kSuccess;
}

AclError destroy(const char* entry, Handle stream) {
  if (destroy_stream(stream)) return kSuccess;
  return fail(kRtInvalidHandle, std::string(entry) + ": no such stream");
}

AclError synchronize(const char* entry, Handle handle, int timeout_ms) {
  ++counters().stream_synchronisations;
  return with_stream(entry, handle, [&](const StreamPointer& stream) {
    return fail(stream->synchronize(timeout_ms));
  });
}

AclError set_failure_mode(const char* entry, Handle handle, uint64_t mode) {
  return with_stream(entry, handle, [&](const StreamPointer& stream) {
    stream->set_stop_on_failure(mode == 1);
    return AclError{kSuccess};
  });
}

}  // namespace

ACL_ENTRY int aclrtCreateStream(Handle* stream) { return create("aclrtCreateStream", stream, 0); }
ACL_ENTRY int aclrtCreateStreamWithConfig(Handle* stream, uint32_t /*priority*/, uint32_t flags) {
  return create("aclrtCreateStreamWithConfig", stream, flags);
}
ACL_ENTRY int aclrtDestroyStream(Handle stream) { return destroy("aclrtDestroyStream", stream); }
ACL_ENTRY int aclrtDestroyStreamForce(Handle stream) {
  return destroy("aclrtDestroyStreamForce", stream);
}

ACL_ENTRY int aclrtSynchronizeStream(Handle stream) {
  return synchronize("aclrtSynchronizeStream", stream, -1);
}
ACL_ENTRY int aclrtSynchronizeStreamWithTimeout(Handle stream, int32_t timeout_ms) {
  return synchronize("aclrtSynchronizeStreamWithTimeout", stream, timeout_ms);
}

ACL_ENTRY int aclrtStreamQuery(Handle handle, int* status) {
  if (status == nullptr) return null_argument("aclrtStreamQuery");
  return with_stream("aclrtStreamQuery", handle, [&](const StreamPointer& stream) {
    *status = stream->idle() ? 0 : 1;
    return AclError{kSuccess};
  });
}

ACL_ENTRY int aclrtStreamGetId(Handle handle, int32_t* id) {
  if (id == nullptr) return null_argument("aclrtStreamGetId");
  return with_stream("aclrtStreamGetId", handle, [&](const StreamPointer& stream) {
    *id = stream->id();
    return AclError{kSuccess};
  });
}

ACL_ENTRY int aclrtStreamGetFlags(Handle handle, uint32_t* flags) {
  if (flags == nullptr) return null_argument("aclrtStreamGetFlags");
  return with_stream("aclrtStreamGetFlags", handle, [&](const StreamPointer& stream) {
    *flags = stream->flags();
    return AclError{kSuccess};
  });
}

ACL_ENTRY int aclrtSetStreamFailureMode(Handle stream, uint64_t mode) {
  return set_failure_mode("aclrtSetStreamFailureMode", stream, mode);
}

// Attributes other than the failure mode are about overflow detection, tags, caching of profiling
// data and priority: nothing here depends on them.
ACL_ENTRY int aclrtSetStreamAttribute(Handle stream, int attribute, const uint64_t* value) {
  if (value == nullptr) return null_argument("aclrtSetStreamAttribute");
  if (attribute != kFailureModeAttribute) return kSuccess;
  return set_failure_mode("aclrtSetStreamAttribute", stream, *value);
}

ACL_ENTRY int aclrtGetStreamOverflowSwitch(Handle /*stream*/, uint32_t* flag) {
  if (flag == nullptr) return null_argument("aclrtGetStreamOverflowSwitch");
  *flag = 0;
  return kSuccess;
}
