// How the entry points are written: C linkage and ACL's opaque handles.
//
// Declared from the documented signatures; the ABI sees sizes only, so enumerations are int here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/errors.h"

#define ACL_ENTRY extern "C" __attribute__((visibility("default")))

namespace ascsim::cann {

using Handle = void*;  // aclrtStream, aclrtEvent, aclrtContext, aclmdlRI

// "null pointer": a result has nowhere to go.
inline AclError null_argument(const char* entry) {
  return fail(kInvalidParam, std::string(entry) + ": null pointer");
}

}  // namespace ascsim::cann
