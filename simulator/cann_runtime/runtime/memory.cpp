#include "runtime/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "ascsim_cann.h"
#include "runtime/config.h"
#include "runtime/counters.h"

namespace ascsim::cann {

namespace {

constexpr unsigned char kGuard = 0xC7;
constexpr size_t kGuardBytes = 512;                    // at least this much pattern behind the data
constexpr int kFresh = 0xFF;                           // NaN in every format, -1 as an integer
constexpr size_t kFreshLimit = size_t{64} << 20;       // larger memory stays as the system gives it
constexpr size_t kQuarantineBytes = size_t{16} << 30;  // of addresses, not of memory
constexpr size_t kQuarantineEntries = 4096;

struct Freed {
  char* mapping;
  size_t mapped;
  Allocation was;
};

struct Tables {
  std::mutex mutex;
  std::map<const char*, Allocation> live;  // by first byte
  std::deque<Freed> freed;
  size_t freed_bytes = 0;
  std::vector<size_t> used = std::vector<size_t>(static_cast<size_t>(config().devices), 0);
  uint64_t serial = 0;
};

Tables& tables() {
  static auto* all = new Tables;  // outlives the workers
  return *all;
}

size_t page() {
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// Bytes of the mapping between the two forbidden pages.
size_t inner_bytes(size_t bytes) { return (bytes + kGuardBytes + page() - 1) / page() * page(); }

std::string name_of(const Allocation& a) {
  const char* kind = a.kind == MemoryKind::kDevice   ? "device"
                     : a.kind == MemoryKind::kPinned ? "pinned"
                                                     : "registered";
  std::ostringstream text;
  text << kind << " allocation #" << a.serial << " of " << a.bytes << " bytes";
  return text.str();
}

const Allocation* containing(const Tables& t, const char* address) {
  auto next = t.live.upper_bound(address);
  if (next == t.live.begin()) return nullptr;
  const Allocation& a = std::prev(next)->second;
  return address < a.base + std::max<size_t>(a.bytes, 1) ? &a : nullptr;
}

const Freed* freed_containing(const Tables& t, const char* address) {
  for (auto it = t.freed.rbegin(); it != t.freed.rend(); ++it) {
    if (address >= it->mapping && address < it->mapping + it->mapped) return &*it;
  }
  return nullptr;
}

std::string describe(const Tables& t, const char* address) {
  std::ostringstream text;
  if (const Allocation* a = containing(t, address)) {
    text << "byte " << address - a->base << " of " << name_of(*a);
    return text.str();
  }
  if (const Freed* f = freed_containing(t, address)) {
    text << "byte " << address - f->was.base << " of " << name_of(f->was) << ", which was freed";
    return text.str();
  }
  const auto near = static_cast<ptrdiff_t>(2 * page() + kGuardBytes);
  const auto next = t.live.upper_bound(address);
  if (next != t.live.begin()) {
    const Allocation& a = std::prev(next)->second;
    const ptrdiff_t behind = address - (a.base + a.bytes);
    if (behind < near) {
      text << behind << " bytes behind " << name_of(a);
      return text.str();
    }
  }
  if (next != t.live.end() && next->second.base - address < near) {
    text << next->second.base - address << " bytes before " << name_of(next->second);
    return text.str();
  }
  text << "not memory of the runtime: " << static_cast<const void*>(address);
  return text.str();
}

// Offset of the first damaged byte behind the data, or -1.
ptrdiff_t guard_damage(const Allocation& a) {
  const size_t end = inner_bytes(a.bytes);
  for (size_t i = a.bytes; i < end; ++i) {
    if (static_cast<unsigned char>(a.base[i]) != kGuard) return static_cast<ptrdiff_t>(i);
  }
  return -1;
}

bool report_damage(const Allocation& a, const char* when) {
  const ptrdiff_t at = guard_damage(a);
  if (at < 0) return false;
  std::ostringstream text;
  text << "guard zone: something wrote " << at - static_cast<ptrdiff_t>(a.bytes) << " bytes behind "
       << name_of(a) << "; found " << when;
  report(text.str());
  return true;
}

// The oldest freed addresses become usable again.
void shrink_quarantine(Tables& t) {
  while (t.freed.size() > kQuarantineEntries || t.freed_bytes > kQuarantineBytes) {
    munmap(t.freed.front().mapping, t.freed.front().mapped);
    t.freed_bytes -= t.freed.front().mapped;
    t.freed.pop_front();
  }
}

void free_device(Tables& t, const Allocation& a) {
  report_damage(a, "when it was freed");
  t.used[static_cast<size_t>(a.device)] -= a.bytes;
  Freed f{a.base - page(), inner_bytes(a.bytes) + 2 * page(), a};
  // Replaces the pages by ones that fault; the system gets the memory back.
  mmap(f.mapping, f.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
       0);
  t.freed.push_back(f);
  t.freed_bytes += f.mapped;
  shrink_quarantine(t);
}

}  // namespace

Outcome allocate_device(int device, size_t bytes, void** address) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  size_t& used = t.used[static_cast<size_t>(device)];
  if (bytes > config().memory - used) {
    std::ostringstream text;
    text << "out of memory: " << bytes << " bytes wanted, " << config().memory - used << " of "
         << config().memory << " free on device " << device;
    return {kRtMemoryAllocation, text.str()};
  }
  const size_t inner = inner_bytes(bytes);
  void* mapping = mmap(nullptr, inner + 2 * page(), PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return {kRtMemoryAllocation, "the system has no memory left"};
  char* base = static_cast<char*>(mapping) + page();
  mprotect(base, inner, PROT_READ | PROT_WRITE);
  if (bytes <= kFreshLimit) std::memset(base, kFresh, bytes);
  std::memset(base + bytes, kGuard, inner - bytes);
  t.live[base] = {base, bytes, MemoryKind::kDevice, device, ++t.serial};
  used += bytes;
  ++counters().allocations;
  *address = base;
  return {};
}

Outcome allocate_pinned(size_t bytes, void** address) {
  void* memory = nullptr;
  if (posix_memalign(&memory, page(), std::max<size_t>(bytes, 1)) != 0) {
    return {kRtMemoryAllocation, "the system has no memory left"};
  }
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  auto* base = static_cast<char*>(memory);
  t.live[base] = {base, bytes, MemoryKind::kPinned, 0, ++t.serial};
  ++counters().host_allocations;
  *address = memory;
  return {};
}

Outcome register_host(void* address, size_t bytes) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  auto* base = static_cast<char*>(address);
  if (containing(t, base) != nullptr) {
    return {kRtParamInvalid, "memory to register is known already: " + describe(t, base)};
  }
  t.live[base] = {base, bytes, MemoryKind::kRegistered, 0, ++t.serial};
  return {};
}

Outcome unregister_host(void* address) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  const auto found = t.live.find(static_cast<char*>(address));
  if (found == t.live.end() || found->second.kind != MemoryKind::kRegistered) {
    return {kRtParamInvalid, "not registered: " + describe(t, static_cast<const char*>(address))};
  }
  t.live.erase(found);
  return {};
}

Outcome free_memory(void* address, bool device) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  const auto found = t.live.find(static_cast<char*>(address));
  const MemoryKind kind = device ? MemoryKind::kDevice : MemoryKind::kPinned;
  if (found == t.live.end() || found->second.kind != kind) {
    const std::string text = std::string("cannot free as ") + (device ? "device" : "pinned") +
                             " memory: " + describe(t, static_cast<const char*>(address));
    return {kRtMemoryFree, text};
  }
  const Allocation a = found->second;
  t.live.erase(found);
  if (device) {
    free_device(t, a);
    ++counters().frees;
  } else {
    std::free(address);
  }
  return {};
}

bool find_allocation(const void* address, Allocation* found) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  const Allocation* a = containing(t, static_cast<const char*>(address));
  if (a != nullptr) *found = *a;
  return a != nullptr;
}

Outcome check_access(const char* action, const void* address, size_t bytes, bool host_allowed) {
  if (bytes == 0) return {};
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  const auto* first = static_cast<const char*>(address);
  const Allocation* a = containing(t, first);
  if (a != nullptr && bytes <= a->bytes - static_cast<size_t>(first - a->base)) return {};
  if (a == nullptr && host_allowed && freed_containing(t, first) == nullptr) return {};
  std::ostringstream text;
  text << action << " of " << bytes << " bytes at " << describe(t, first);
  if (a != nullptr) text << " goes beyond its end";
  return {kRtDeviceMemError, text.str()};
}

std::string describe_address(const void* address) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  return describe(t, static_cast<const char*>(address));
}

size_t used_memory(int device) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  return t.used[static_cast<size_t>(device)];
}

int check_guards() {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  int damaged = 0;
  for (const auto& [base, a] : t.live) {
    if (a.kind != MemoryKind::kDevice || !report_damage(a, "while it was in use")) continue;
    ++damaged;
    std::memset(a.base + a.bytes, kGuard, inner_bytes(a.bytes) - a.bytes);
  }
  return damaged;
}

int check_leaks() {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  int leaks = 0;
  for (const auto& [base, a] : t.live) {
    if (a.kind != MemoryKind::kDevice) continue;
    report("leak: " + name_of(a) + " on device " + std::to_string(a.device));
    ++leaks;
  }
  return leaks;
}

}  // namespace ascsim::cann

int ascsim_allocation(const void* address, void** base, size_t* bytes) {
  ascsim::cann::Allocation a;
  if (!ascsim::cann::find_allocation(address, &a)) return 0;
  if (a.kind != ascsim::cann::MemoryKind::kDevice) return 0;
  *base = a.base;
  *bytes = a.bytes;
  return 1;
}
