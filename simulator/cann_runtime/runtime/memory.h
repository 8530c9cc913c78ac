// Device and pinned host memory: where it is, what surrounds it, who touches what is not theirs.
//
// A device allocation lies between two pages that nothing may touch. The rest of its last page is
// filled with a pattern, which is compared when the memory is freed. Freed addresses stay out of
// use for a while and fault when touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/errors.h"

namespace ascsim::cann {

enum class MemoryKind : uint8_t {
  kDevice,
  kPinned,      // allocated by the runtime
  kRegistered,  // of the program, made known to the runtime
};

struct Allocation {
  char* base = nullptr;
  size_t bytes = 0;
  MemoryKind kind = MemoryKind::kDevice;
  int device = 0;
  uint64_t serial = 0;  // counts allocations, so that messages can name one
};

Outcome allocate_device(int device, size_t bytes, void** address);
Outcome allocate_pinned(size_t bytes, void** address);
Outcome register_host(void* address, size_t bytes);
Outcome unregister_host(void* address);
Outcome free_memory(void* address, bool device);

// Whether an allocation (of any kind) contains the address; which one.
bool find_allocation(const void* address, Allocation* found);

// Whether device or host may touch these bytes. Bytes that the runtime does not know are fine if
// `host_allowed`, since they may be pageable memory of the host.
Outcome check_access(const char* action, const void* address, size_t bytes, bool host_allowed);

// What is at an address, for messages: "16 bytes behind device allocation #3 of 4096 bytes".
std::string describe_address(const void* address);

size_t used_memory(int device);

int check_guards();
int check_leaks();

}  // namespace ascsim::cann
