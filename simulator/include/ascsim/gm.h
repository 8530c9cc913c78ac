// Global memory: the host buffers that a kernel may touch. A GM address is the host address.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ascsim/shadow.h"

namespace ascsim {

struct GmBuffer {
  std::string name;
  uint64_t address = 0;
  int64_t bytes = 0;
  bool backed = true;  // false: an address range without memory, for timing-only runs
  Shadow shadow;

  uint64_t end() const { return address + static_cast<uint64_t>(bytes); }
};

class Gm {
 public:
  // Registers a buffer and returns its index. `defined`: its bytes hold values.
  int add(std::string name, const void* address, int64_t bytes, bool defined, bool shadowed,
          bool backed = true);
  void clear() { buffers_.clear(); }

  // Index of the buffer that holds the address or ends there, -1 if none.
  int find(uint64_t address) const;
  GmBuffer& at(int index) { return buffers_[static_cast<size_t>(index)]; }
  const GmBuffer& at(int index) const { return buffers_[static_cast<size_t>(index)]; }
  int size() const { return static_cast<int>(buffers_.size()); }

 private:
  std::vector<GmBuffer> buffers_;
};

}  // namespace ascsim
