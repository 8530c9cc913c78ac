// Which bytes of GM the L2 holds.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "timing/profile.h"

namespace ascsim {

// A move between GM and a core: `runs` pieces of `run_bytes`, `run_stride` bytes from start to
// start.
struct GmMove {
  uint64_t address = 0;  // in the device's address space
  int64_t run_stride = 0;
  uint32_t runs = 0;
  uint32_t run_bytes = 0;
  bool write = false;
  bool atomic = false;
  bool cached = true;
};

struct GmTraffic {
  double l2_bytes = 0;  // whole requests, not only the bytes asked for
  double hbm_read_bytes = 0;
  double hbm_write_bytes = 0;  // what is written back to make room
  double hit_bytes = 0;
};

// Least recently used pages of 4 KiB with the state of each 128-byte sector: a write allocates
// without reading, and dirty sectors go to HBM when their page is evicted. At the start it is
// empty.
class L2 {
 public:
  explicit L2(const Profile& profile);

  GmTraffic access(const GmMove& move);

 private:
  static constexpr int kPageBits = 12, kSectorBits = 7, kLineBits = 9;
  static constexpr int kRegionBits = 22;
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Node {
    uint64_t page = 0;
    uint32_t valid = 0, dirty = 0;  // one bit per sector
    uint32_t newer = kNone, older = kNone;
  };
  using Region = std::array<uint32_t, 1 << (kRegionBits - kPageBits)>;

  void access_run(uint64_t begin, uint64_t end, const GmMove& move, GmTraffic& traffic);
  uint32_t& slot(uint64_t page);
  uint32_t find_or_add(uint64_t page, GmTraffic& traffic);
  void unlink(uint32_t index);
  void push_newest(uint32_t index);

  size_t capacity_;
  std::vector<Node> nodes_;
  uint32_t newest_ = kNone, oldest_ = kNone;
  std::unordered_map<uint64_t, std::unique_ptr<Region>> regions_;
  uint64_t last_region_ = ~uint64_t{0};
  Region* last_ = nullptr;
};

}  // namespace ascsim
