#include "ascsim/gm.h"

#include "ascsim/report.h"

namespace ascsim {

int Gm::add(std::string name, const void* address, int64_t bytes, bool defined, bool shadowed,
            bool backed) {
  if (bytes < 0) throw LaunchError("GM buffer " + name + " has a negative size");
  GmBuffer buffer;
  buffer.name = std::move(name);
  buffer.address = reinterpret_cast<uint64_t>(address);
  buffer.bytes = bytes;
  buffer.backed = backed;
  if (shadowed) buffer.shadow = Shadow(bytes, defined);
  for (const GmBuffer& other : buffers_) {
    if (buffer.address < other.end() && other.address < buffer.end()) {
      throw LaunchError("GM buffers " + other.name + " and " + buffer.name + " overlap");
    }
  }
  buffers_.push_back(std::move(buffer));
  return size() - 1;
}

int Gm::find(uint64_t address) const {
  int ends_there = -1;  // one past the end: what a loop makes and never reads
  for (int i = 0; i < size(); ++i) {
    const GmBuffer& b = at(i);
    if (address >= b.address && address < b.end()) return i;
    if (address == b.end()) ends_there = i;
  }
  return ends_there;
}

}  // namespace ascsim
