// Copies and fills, at once or in stream order.
#include <cstring>

#include "acl/acl.h"
#include "runtime/context.h"
#include "runtime/counters.h"
#include "runtime/memory.h"

using namespace ascsim::cann;

namespace {

enum Kind : int {
  kHostToHost = 0,
  kHostToDevice = 1,
  kDeviceToHost = 2,
  kDeviceToDevice = 3,
  kDefault = 4,
};

struct Copy {
  void* to;
  size_t room;
  const void* from;
  size_t bytes;
  int kind;
};

bool on_device(const void* address) {
  Allocation found;
  return find_allocation(address, &found) && found.kind == MemoryKind::kDevice;
}

bool pageable(const void* address) {
  Allocation found;
  return !find_allocation(address, &found);
}

// Host or device of both ends, as the kind says or, for kDefault, as the addresses are.
struct Ends {
  bool from_device;
  bool to_device;
};

Ends ends_of(const Copy& c) {
  if (c.kind == kDefault) return {on_device(c.from), on_device(c.to)};
  const bool inner = c.kind >= kDeviceToDevice;
  return {inner || c.kind == kDeviceToHost, inner || c.kind == kHostToDevice};
}

void count(const Ends& ends) {
  Counters& all = counters();
  if (ends.from_device && ends.to_device) ++all.device_to_device;
  if (ends.from_device && !ends.to_device) ++all.device_to_host;
  if (!ends.from_device && ends.to_device) ++all.host_to_device;
}

Outcome check(const Copy& c, const Ends& ends) {
  if (c.bytes > c.room) {
    return {kRtParamInvalid,
            "copy of " + std::to_string(c.bytes) + " bytes to room for " + std::to_string(c.room)};
  }
  if (Outcome read = check_access("read", c.from, c.bytes, !ends.from_device); !read.ok()) {
    return read;
  }
  return check_access("write", c.to, c.bytes, !ends.to_device);
}

Outcome copy_now(const Copy& c, const Ends& ends) {
  Outcome checked = check(c, ends);
  if (checked.ok() && c.bytes != 0) std::memmove(c.to, c.from, c.bytes);
  return checked;
}

// Pageable memory may be gone when the stream gets there, so the call waits.
Outcome copy_pageable(const Copy& c, const Ends& ends, const std::shared_ptr<Stream>& stream) {
  if (stream->capture()) {
    return {kRtCaptureModeNotSupport, "a copy with pageable host memory cannot be captured"};
  }
  ++counters().pageable_copies;
  Outcome before = stream->synchronize();
  return before.ok() ? copy_now(c, ends) : before;
}

AclError copy_async(const Copy& c, Handle handle) {
  return with_stream("aclrtMemcpyAsync", handle, [&](const std::shared_ptr<Stream>& stream) {
    const Ends ends = ends_of(c);
    count(ends);
    if ((!ends.from_device && pageable(c.from)) || (!ends.to_device && pageable(c.to))) {
      return fail(copy_pageable(c, ends, stream));
    }
    stream->submit({"aclrtMemcpyAsync", [c, ends] { return copy_now(c, ends); }});
    return AclError{kSuccess};
  });
}

Outcome set_now(void* to, size_t room, int value, size_t bytes) {
  if (bytes > room) {
    return {kRtParamInvalid,
            "memset of " + std::to_string(bytes) + " bytes in room for " + std::to_string(room)};
  }
  Outcome checked = check_access("write", to, bytes, false);
  if (checked.ok() && bytes != 0) std::memset(to, value, bytes);
  return checked;
}

}  // namespace

ACL_ENTRY int aclrtMemcpy(void* to, size_t room, const void* from, size_t bytes, int kind) {
  const Copy c{to, room, from, bytes, kind};
  const Ends ends = ends_of(c);
  count(ends);
  return fail(copy_now(c, ends));
}

ACL_ENTRY int aclrtMemcpyAsync(void* to, size_t room, const void* from, size_t bytes, int kind,
                               Handle stream) {
  return copy_async({to, room, from, bytes, kind}, stream);
}

ACL_ENTRY int aclrtMemcpyAsyncWithCondition(void* to, size_t room, const void* from, size_t bytes,
                                            int kind, Handle stream) {
  return copy_async({to, room, from, bytes, kind}, stream);
}

ACL_ENTRY int aclrtMemset(void* to, size_t room, int32_t value, size_t bytes) {
  ++counters().memsets;
  return fail(set_now(to, room, value, bytes));
}

ACL_ENTRY int aclrtMemsetAsync(void* to, size_t room, int32_t value, size_t bytes, Handle handle) {
  return with_stream("aclrtMemsetAsync", handle, [&](const std::shared_ptr<Stream>& stream) {
    ++counters().memsets;
    stream->submit({"aclrtMemsetAsync", [=] { return set_now(to, room, value, bytes); }});
    return AclError{kSuccess};
  });
}
