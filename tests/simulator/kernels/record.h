// What observers see of the instructions while a Recorder lives, for tests: one record of 64-bit
// numbers per instruction of a DMA pipe.
//
//   path nd2nz atomic cached runs run_bytes run_stride gm_offset, number of reads, number of
//   writes, then for each region: memory base length count0 stride0 count1 stride1
#pragma once

#include <algorithm>

#include "ascsim/machine.h"

class Recorder : public ascsim::Observer {
 public:
  // GM addresses are recorded relative to `gm`.
  explicit Recorder(const uint8_t* gm) : gm_(reinterpret_cast<uint64_t>(gm)) {
    ascsim::machine().observers.push_back(this);
  }
  ~Recorder() override {
    auto& all = ascsim::machine().observers;
    all.erase(std::find(all.begin(), all.end(), this));
  }

  void instruction(const ascsim::Issued& issued) override {
    if (const auto* work = std::get_if<ascsim::MoveWork>(&issued.work)) {
      numbers_ = {static_cast<int64_t>(work->path),
                  work->nd2nz,
                  work->atomic,
                  work->cached,
                  work->runs,
                  work->run_bytes,
                  work->run_stride,
                  static_cast<int64_t>(work->gm_address - gm_)};
    } else if (issued.pipe != ascsim::Pipe::kS) {
      numbers_ = std::vector<int64_t>(8, -1);
    } else {
      return;
    }
    numbers_.push_back(static_cast<int64_t>(issued.reads.size()));
    numbers_.push_back(static_cast<int64_t>(issued.writes.size()));
    for (const ascsim::Region& region : issued.reads) add(region);
    for (const ascsim::Region& region : issued.writes) add(region);
  }

  // Writes the last record.
  void dump(uint8_t* to) const { std::memcpy(to, numbers_.data(), numbers_.size() * 8); }

 private:
  void add(const ascsim::Region& r) {
    const bool gm = r.memory == ascsim::Memory::kGm;
    numbers_.insert(numbers_.end(), {static_cast<int64_t>(r.memory),
                                     static_cast<int64_t>(gm ? r.base - gm_ : r.base), r.length,
                                     r.count[0], r.stride[0], r.count[1], r.stride[1]});
  }

  uint64_t gm_;
  std::vector<int64_t> numbers_;
};
