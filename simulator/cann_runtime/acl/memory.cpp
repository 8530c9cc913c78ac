// Device and pinned memory.
#include "runtime/memory.h"

#include <cstring>

#include "acl/acl.h"
#include "runtime/config.h"
#include "runtime/context.h"

using namespace ascsim::cann;

namespace {

AclError device_memory(const char* entry, void** address, size_t bytes) {
  if (address == nullptr) return null_argument(entry);
  return fail(allocate_device(current_device(), bytes, address));
}

// aclrtPtrAttributes: where memory is.
struct PointerAttributes {
  uint32_t id;
  uint32_t type;
  uint32_t page_size;
  uint32_t reserved[4];
};

enum LocationType : uint32_t { kHost = 0, kDevice = 1, kUnregistered = 2 };

}  // namespace

ACL_ENTRY int aclrtMalloc(void** address, size_t bytes, int /*policy*/) {
  return device_memory("aclrtMalloc", address, bytes);
}
ACL_ENTRY int aclrtMallocAlign32(void** address, size_t bytes, int /*policy*/) {
  return device_memory("aclrtMallocAlign32", address, bytes);
}
ACL_ENTRY int aclrtMallocCached(void** address, size_t bytes, int /*policy*/) {
  return device_memory("aclrtMallocCached", address, bytes);
}
ACL_ENTRY int aclrtMallocWithCfg(void** address, size_t bytes, int /*policy*/, void* /*cfg*/) {
  return device_memory("aclrtMallocWithCfg", address, bytes);
}
ACL_ENTRY int aclrtFree(void* address) { return fail(free_memory(address, true)); }

ACL_ENTRY int aclrtMallocHost(void** address, size_t bytes) {
  if (address == nullptr) return null_argument("aclrtMallocHost");
  return fail(allocate_pinned(bytes, address));
}
ACL_ENTRY int aclrtMallocHostWithCfg(void** address, uint64_t bytes, void* /*cfg*/) {
  return aclrtMallocHost(address, static_cast<size_t>(bytes));
}
ACL_ENTRY int aclrtFreeHost(void* address) { return fail(free_memory(address, false)); }

ACL_ENTRY int aclrtHostRegister(void* address, uint64_t bytes, int /*type*/, void** device) {
  if (address == nullptr || device == nullptr) return null_argument("aclrtHostRegister");
  *device = address;
  return fail(register_host(address, static_cast<size_t>(bytes)));
}
ACL_ENTRY int aclrtHostRegisterV2(void* address, uint64_t bytes, uint32_t /*flag*/) {
  if (address == nullptr) return null_argument("aclrtHostRegisterV2");
  return fail(register_host(address, static_cast<size_t>(bytes)));
}
ACL_ENTRY int aclrtHostUnregister(void* address) { return fail(unregister_host(address)); }
ACL_ENTRY int aclrtHostGetDevicePointer(void* host, void** device, uint32_t /*flag*/) {
  if (device == nullptr) return null_argument("aclrtHostGetDevicePointer");
  *device = host;
  return kSuccess;
}

ACL_ENTRY int aclrtGetMemInfo(int /*attribute*/, size_t* free, size_t* total) {
  if (free == nullptr || total == nullptr) return null_argument("aclrtGetMemInfo");
  *total = config().memory;
  *free = *total - used_memory(current_device());
  return kSuccess;
}

ACL_ENTRY int aclrtPointerGetAttributes(const void* address, void* attributes) {
  if (attributes == nullptr) return null_argument("aclrtPointerGetAttributes");
  PointerAttributes a{};
  Allocation found;
  a.type = kUnregistered;
  if (find_allocation(address, &found)) {
    a.type = found.kind == MemoryKind::kDevice ? kDevice : kHost;
    a.id = static_cast<uint32_t>(found.device);
  }
  std::memcpy(attributes, &a, sizeof(a));
  return kSuccess;
}
