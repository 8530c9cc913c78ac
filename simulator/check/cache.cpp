// Scalar loads and stores of GM go through a cache of the core, in lines of 64 bytes, that nothing
// keeps coherent; DMA passes it by ("DataCacheCleanAndInvalid" page). When a line enters or leaves
// the cache by itself is not documented, so three things are reported within one launch:
//
//   stale        a scalar load of bytes that a DMA pipe of any core has written since this core
//   last
//                cleaned the line;
//   not written  a DMA read, or another core's scalar load, of bytes whose scalar store was not
//   back         cleaned;
//   left in      a scalar store that nothing cleaned before the kernel ended: whoever reads the
//   bytes the cache    next, host or kernel, may find the old ones.
//
// What decides is the order in which the simulator ran the instructions; whether that order is
// guaranteed is the hazard check's business.
#include "check/cache.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace ascsim {

namespace {

constexpr uint64_t kLineBytes = 64;
constexpr uint64_t kPageLines = 1024;

uint64_t line_of(uint64_t address) { return address / kLineBytes; }

uint64_t bits_of_range(uint64_t begin, uint64_t end) {
  const uint64_t count = end - begin;
  return (count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << begin;
}

// Calls visit(line, mask of its bytes) for all that a region covers.
template <typename Visit>
void for_each_line(const Region& region, Visit&& visit) {
  region.for_each_run([&](uint64_t begin, uint64_t length) {
    const uint64_t end = begin + length;
    for (uint64_t at = begin; at < end;) {
      const uint64_t line = line_of(at);
      const uint64_t stop = std::min(end, (line + 1) * kLineBytes);
      visit(line, bits_of_range(at - line * kLineBytes, stop - line * kLineBytes));
      at = stop;
    }
  });
}

struct Line {  // the last DMA write
  uint64_t bytes = 0;
  uint32_t number = 0;  // of all events; 0: none
  uint32_t writer = 0;
};

struct Clean {
  uint32_t number = 0;
  uint64_t bytes = 0;  // the line from the address given to its end (documented)
};

struct Dirty {
  uint64_t bytes = 0;
  const Core* core = nullptr;
  int32_t buffer = -1;    // of the last store
  bool reported = false;  // that something reads it
  Place place;
};

class CacheCheck : public Observer {
 public:
  explicit CacheCheck(Machine& machine) : machine_(machine) {}

  bool wants_regions() const override { return true; }

  void launch(const LaunchInfo& info) override {
    entire_.assign(info.cores.size(), 0);
    cleaned_.resize(info.cores.size());
  }

  void finish() override {
    std::vector<uint64_t> lines;
    for (const auto& [line, dirty] : dirty_) {
      if (!dirty.reported) lines.push_back(line);
    }
    std::sort(lines.begin(), lines.end());
    for (const uint64_t line : lines) report_left(line, dirty_[line]);
  }

  void instruction(const Issued& issued) override {
    if (issued.pipe == Pipe::kS) {
      scalar(issued);
      return;
    }
    for (const Region& region : issued.writes) {
      if (region.memory == Memory::kGm) store(issued, region);
    }
    if (dirty_.empty()) return;
    for (const Region& region : issued.reads) {
      if (region.memory == Memory::kGm) check_written_back(issued, region);
    }
  }

 private:
  using Page = std::array<Line, kPageLines>;

  void scalar(const Issued& issued) {
    const auto* work = std::get_if<ScalarWork>(&issued.work);
    if (work != nullptr && work->kind == ScalarKind::kCacheClean) {
      clean(issued.core, *work);
      return;
    }
    for (const Region& region : issued.reads) {
      if (region.memory != Memory::kGm) continue;
      if (!pages_.empty()) check_stale(issued, region);
      if (!dirty_.empty()) check_written_back(issued, region);
    }
    for (const Region& region : issued.writes) {
      if (region.memory != Memory::kGm) continue;
      for_each_line(region, [&](uint64_t line, uint64_t bytes) {
        Dirty& dirty = dirty_[line];
        dirty.bytes = dirty.core == &issued.core ? dirty.bytes | bytes : bytes;
        dirty.core = &issued.core;
        dirty.buffer = region.buffer;
        dirty.place = machine_.place(issued.pipe, issued.operation, issued.site);
      });
    }
  }

  void clean(const Core& core, const ScalarWork& work) {
    const auto index = static_cast<size_t>(core.index());
    ++number_;
    if (work.entire) {
      entire_[index] = number_;
      for (auto at = dirty_.begin(); at != dirty_.end();) {
        at = at->second.core == &core ? dirty_.erase(at) : std::next(at);
      }
      return;
    }
    const uint64_t line = line_of(work.gm_address);
    const uint64_t bytes = bits_of_range(work.gm_address % kLineBytes, kLineBytes);
    cleaned_[index][line] = {number_, bytes};
    const auto found = dirty_.find(line);
    if (found == dirty_.end() || found->second.core != &core) return;
    found->second.bytes &= ~bytes;
    if (found->second.bytes == 0) dirty_.erase(found);
  }

  void store(const Issued& issued, const Region& region) {
    ++number_;
    const uint32_t writer = writer_of(issued);
    for_each_line(region, [&](uint64_t line, uint64_t bytes) {
      Line& known = page(line)[line % kPageLines];
      known = {bytes, number_, writer};
    });
  }

  void check_stale(const Issued& issued, const Region& region) {
    const auto index = static_cast<size_t>(issued.core.index());
    for_each_line(region, [&](uint64_t line, uint64_t bytes) {
      const auto found = pages_.find(line / kPageLines);
      if (found == pages_.end()) return;
      const Line& written = (*found->second)[line % kPageLines];
      if ((written.bytes & bytes) == 0 || entire_[index] > written.number) return;
      const auto clean = cleaned_[index].find(line);
      if (clean != cleaned_[index].end() && clean->second.number > written.number &&
          (bytes & ~clean->second.bytes) == 0) {
        return;
      }
      report(issued, region, "stale", writers_[written.writer],
             "the cache of the core may hold older bytes of what a DMA pipe has written",
             "DataCacheCleanAndInvalid of the line between the two, on the core that reads");
    });
  }

  void check_written_back(const Issued& issued, const Region& region) {
    for_each_line(region, [&](uint64_t line, uint64_t bytes) {
      const auto found = dirty_.find(line);
      if (found == dirty_.end() || (found->second.bytes & bytes) == 0) return;
      if (issued.pipe == Pipe::kS && found->second.core == &issued.core) return;
      found->second.reported = true;
      report(issued, region, "not written back", found->second.place,
             "a scalar store to these bytes may still be in the cache of its core",
             "DataCacheCleanAndInvalid of the line between the two, on the core that stores");
    });
  }

  void report_left(uint64_t line, const Dirty& dirty) {
    Report report;
    report.check = Check::kState;
    report.kind = "left in the cache";
    report.place = dirty.place;
    place_bytes(report, dirty.buffer, line * kLineBytes + __builtin_ctzll(dirty.bytes),
                (line + 1) * kLineBytes - __builtin_clzll(dirty.bytes));
    report.message = "a scalar store may still be in the cache of its core when the kernel ends";
    report.hint = "DataCacheCleanAndInvalid of the line behind it";
    machine_.report(std::move(report));
  }

  void place_bytes(Report& report, int32_t buffer, uint64_t begin, uint64_t end) const {
    Operand at;
    at.memory = Memory::kGm;
    at.buffer = buffer;
    report.memory = machine_.memory_name(at);
    const uint64_t start = buffer < 0 ? 0 : machine_.gm.at(buffer).address;
    report.begin = static_cast<int64_t>(begin - start);
    report.end = static_cast<int64_t>(end - start);
  }

  void report(const Issued& issued, const Region& region, const char* kind, const Place& other,
              const char* message, const char* hint) {
    Report report;
    report.check = Check::kState;
    report.kind = kind;
    report.place = machine_.place(issued.pipe, issued.operation, issued.site);
    report.other = other;
    place_bytes(report, region.buffer, static_cast<uint64_t>(region.begin()),
                static_cast<uint64_t>(region.end()));
    report.message = message;
    report.hint = hint;
    machine_.report(std::move(report));
  }

  Page& page(uint64_t line) {
    const uint64_t number = line / kPageLines;
    if (last_page_ == nullptr || number != last_number_) {
      auto& found = pages_[number];
      if (found == nullptr) found = std::make_unique<Page>();
      last_page_ = found.get();
      last_number_ = number;
    }
    return *last_page_;
  }

  // Writers that differ in core or line of the kernel only.
  uint32_t writer_of(const Issued& issued) {
    const Key key = {issued.core.index(), issued.site.line, issued.site.file};
    const auto [at, added] = known_.try_emplace(key, static_cast<uint32_t>(writers_.size()));
    if (added) writers_.push_back(machine_.place(issued.pipe, issued.operation, issued.site));
    return at->second;
  }

  struct Key {
    int core;
    int line;
    const char* file;
    bool operator<(const Key& o) const {
      return std::tie(core, line, file) < std::tie(o.core, o.line, o.file);
    }
  };

  Machine& machine_;
  uint32_t number_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
  Page* last_page_ = nullptr;
  uint64_t last_number_ = 0;
  std::vector<Place> writers_;
  std::map<Key, uint32_t> known_;
  std::vector<uint32_t> entire_;  // per core
  std::vector<std::unordered_map<uint64_t, Clean>> cleaned_;
  std::unordered_map<uint64_t, Dirty> dirty_;
};

}  // namespace

std::unique_ptr<Observer> make_cache_check(Machine& machine) {
  return std::make_unique<CacheCheck>(machine);
}

}  // namespace ascsim
