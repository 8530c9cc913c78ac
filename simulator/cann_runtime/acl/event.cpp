// Events.
#include "runtime/event.h"

#include "acl/acl.h"
#include "runtime/context.h"
#include "runtime/counters.h"

using namespace ascsim::cann;
using EventPointer = std::shared_ptr<Event>;
using StreamPointer = std::shared_ptr<Stream>;

namespace {

AclError create(const char* entry, Handle* event) {
  if (event == nullptr) return null_argument(entry);
  *event = create_event();
  return kSuccess;
}

AclError synchronize(const char* entry, Handle handle, int timeout_ms) {
  ++counters().event_synchronisations;
  return with_event(entry, handle, [&](const EventPointer& event) {
    if (event->wait(event->latest(), timeout_ms)) return AclError{kSuccess};
    return fail(kRtEventSyncTimeout,
                std::string(entry) + ": not done after " + std::to_string(timeout_ms) + " ms");
  });
}

// Writes `complete` or `pending`: the queries number them differently.
AclError query(const char* entry, Handle handle, int* status, int complete, int pending) {
  if (status == nullptr) return null_argument(entry);
  return with_event(entry, handle, [&](const EventPointer& event) {
    *status = event->complete() ? complete : pending;
    return AclError{kSuccess};
  });
}

AclError time_of(const char* entry, Handle handle, Event::Time* when) {
  return with_event(entry, handle, [&](const EventPointer& event) {
    if (event->latest() == 0) {
      return fail(kRtEventTimestampInvalid, std::string(entry) + ": the event was never recorded");
    }
    if (event->time(when)) return AclError{kSuccess};
    return fail(kRtEventNotComplete, std::string(entry) + ": the event is not complete");
  });
}

}  // namespace

ACL_ENTRY int aclrtCreateEvent(Handle* event) { return create("aclrtCreateEvent", event); }
ACL_ENTRY int aclrtCreateEventWithFlag(Handle* event, uint32_t /*flags*/) {
  return create("aclrtCreateEventWithFlag", event);
}
ACL_ENTRY int aclrtCreateEventExWithFlag(Handle* event, uint32_t /*flags*/) {
  return create("aclrtCreateEventExWithFlag", event);
}
ACL_ENTRY int aclrtDestroyEvent(Handle event) {
  if (destroy_event(event)) return kSuccess;
  return fail(kRtInvalidHandle, "aclrtDestroyEvent: no such event");
}

ACL_ENTRY int aclrtRecordEvent(Handle event_handle, Handle stream_handle) {
  return with_event("aclrtRecordEvent", event_handle, [&](const EventPointer& event) {
    return with_stream("aclrtRecordEvent", stream_handle, [&](const StreamPointer& stream) {
      stream->record(event);
      return AclError{kSuccess};
    });
  });
}

ACL_ENTRY int aclrtStreamWaitEvent(Handle stream_handle, Handle event_handle) {
  return with_event("aclrtStreamWaitEvent", event_handle, [&](const EventPointer& event) {
    return with_stream("aclrtStreamWaitEvent", stream_handle, [&](const StreamPointer& stream) {
      stream->wait_for(event);
      return AclError{kSuccess};
    });
  });
}
ACL_ENTRY int aclrtStreamWaitEventWithTimeout(Handle stream, Handle event, int32_t /*timeout*/) {
  return aclrtStreamWaitEvent(stream, event);
}

// A wait refers to the record before it, so there is nothing to take back.
ACL_ENTRY int aclrtResetEvent(Handle event, Handle /*stream*/) {
  return with_event("aclrtResetEvent", event, [](const EventPointer&) { return kSuccess; });
}

ACL_ENTRY int aclrtSynchronizeEvent(Handle event) {
  return synchronize("aclrtSynchronizeEvent", event, -1);
}
ACL_ENTRY int aclrtSynchronizeEventWithTimeout(Handle event, int32_t timeout_ms) {
  return synchronize("aclrtSynchronizeEventWithTimeout", event, timeout_ms);
}

ACL_ENTRY int aclrtQueryEvent(Handle event, int* status) {
  return query("aclrtQueryEvent", event, status, 0, 1);
}
ACL_ENTRY int aclrtQueryEventStatus(Handle event, int* status) {
  return query("aclrtQueryEventStatus", event, status, 1, 0);
}
ACL_ENTRY int aclrtQueryEventWaitStatus(Handle event, int* status) {
  return query("aclrtQueryEventWaitStatus", event, status, 0, 1);
}

ACL_ENTRY int aclrtEventElapsedTime(float* ms, Handle start, Handle end) {
  if (ms == nullptr) return null_argument("aclrtEventElapsedTime");
  Event::Time from, to;
  if (const AclError error = time_of("aclrtEventElapsedTime", start, &from)) return error;
  if (const AclError error = time_of("aclrtEventElapsedTime", end, &to)) return error;
  *ms = std::chrono::duration<float, std::milli>(to - from).count();
  return kSuccess;
}

ACL_ENTRY int aclrtEventGetTimestamp(Handle event, uint64_t* microseconds) {
  if (microseconds == nullptr) return null_argument("aclrtEventGetTimestamp");
  Event::Time when;
  if (const AclError error = time_of("aclrtEventGetTimestamp", event, &when)) return error;
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch());
  *microseconds = static_cast<uint64_t>(since.count());
  return kSuccess;
}
