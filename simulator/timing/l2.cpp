#include "timing/l2.h"

#include <algorithm>

namespace ascsim {

L2::L2(const Profile& profile)
    : capacity_(static_cast<size_t>(profile.l2_mib * (1 << 20)) >> kPageBits) {}

uint32_t& L2::slot(uint64_t page) {
  const uint64_t region = page >> (kRegionBits - kPageBits);
  if (region != last_region_) {
    std::unique_ptr<Region>& found = regions_[region];
    if (!found) {
      found = std::make_unique<Region>();
      found->fill(kNone);
    }
    last_region_ = region;
    last_ = found.get();
  }
  return (*last_)[page & ((1u << (kRegionBits - kPageBits)) - 1)];
}

void L2::unlink(uint32_t index) {
  const Node& node = nodes_[index];
  (node.newer == kNone ? newest_ : nodes_[node.newer].older) = node.older;
  (node.older == kNone ? oldest_ : nodes_[node.older].newer) = node.newer;
}

void L2::push_newest(uint32_t index) {
  Node& node = nodes_[index];
  node.newer = kNone;
  node.older = newest_;
  (newest_ == kNone ? oldest_ : nodes_[newest_].newer) = index;
  newest_ = index;
}

uint32_t L2::find_or_add(uint64_t page, GmTraffic& traffic) {
  uint32_t index = slot(page);
  if (index != kNone) {
    if (index != newest_) {
      unlink(index);
      push_newest(index);
    }
    return index;
  }
  if (nodes_.size() < capacity_) {
    index = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    index = oldest_;
    unlink(index);
    traffic.hbm_write_bytes += __builtin_popcount(nodes_[index].dirty) << kSectorBits;
    slot(nodes_[index].page) = kNone;
  }
  nodes_[index].page = page;
  nodes_[index].valid = nodes_[index].dirty = 0;
  slot(page) = index;
  push_newest(index);
  return index;
}

void L2::access_run(uint64_t begin, uint64_t end, const GmMove& move, GmTraffic& traffic) {
  const uint64_t first_line = begin >> kLineBits, last_line = (end - 1) >> kLineBits;
  const uint64_t first = begin >> kSectorBits, last = (end - 1) >> kSectorBits;
  // A piece that crosses lines without starting on one is requested line by line, whole.
  const bool whole_lines = first_line != last_line && (begin & ((1 << kLineBits) - 1)) != 0;
  const uint64_t requested =
      whole_lines ? (last_line - first_line + 1) << kLineBits : (last - first + 1) << kSectorBits;
  traffic.l2_bytes += static_cast<double>(requested);
  const double share = static_cast<double>(requested) / static_cast<double>(last - first + 1);
  constexpr uint64_t kSectors = 1 << (kPageBits - kSectorBits);
  for (uint64_t sector = first; sector <= last;) {
    const uint64_t page = sector / kSectors;
    const uint64_t stop = std::min(last + 1, (page + 1) * kSectors);
    const auto count = static_cast<uint32_t>(stop - sector);
    const uint32_t mask = (count == kSectors ? ~uint32_t{0} : (uint32_t{1} << count) - 1)
                          << (sector % kSectors);
    sector = stop;
    if (!move.cached) {
      (move.write ? traffic.hbm_write_bytes : traffic.hbm_read_bytes) += count * share;
      continue;
    }
    Node& node = nodes_[find_or_add(page, traffic)];
    const int hits = __builtin_popcount(node.valid & mask);
    traffic.hit_bytes += hits * share;
    if (!move.write || move.atomic) {
      traffic.hbm_read_bytes += (static_cast<int>(count) - hits) * share;
    }
    node.valid |= mask;
    if (move.write) node.dirty |= mask;
  }
}

GmTraffic L2::access(const GmMove& move) {
  GmTraffic traffic;
  if (move.run_bytes == 0) return traffic;
  if (move.runs > 1 && move.run_stride == static_cast<int64_t>(move.run_bytes)) {
    access_run(move.address, move.address + uint64_t{move.runs} * move.run_bytes, move, traffic);
    return traffic;
  }
  uint64_t begin = move.address;
  for (uint32_t r = 0; r < move.runs; ++r, begin += static_cast<uint64_t>(move.run_stride)) {
    access_run(begin, begin + move.run_bytes, move, traffic);
  }
  return traffic;
}

}  // namespace ascsim
