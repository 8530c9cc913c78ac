// The device of the calling thread, and the streams and events that a call names.
#pragma once

#include <memory>

#include "runtime/errors.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace ascsim::cann {

// Whether the calling thread chose a device, and which; without a choice device 0 is used.
bool has_device();
int current_device();
AclError set_device(int device);
// A context is a device: handles differ, contents do not.
void* context_of(int device);
AclError set_context(void* context);

// With the stream of the handle (null: default stream), or kRtInvalidHandle with `entry`'s name.
template <typename Use>
AclError with_stream(const char* entry, void* handle, Use use) {
  const std::shared_ptr<Stream> stream = find_stream(handle, current_device());
  if (!stream) return fail(kRtInvalidHandle, std::string(entry) + ": no such stream");
  return use(stream);
}

template <typename Use>
AclError with_event(const char* entry, void* handle, Use use) {
  const std::shared_ptr<Event> event = find_event(handle);
  if (!event) return fail(kRtInvalidHandle, std::string(entry) + ": no such event");
  return use(event);
}

}  // namespace ascsim::cann
