#include "ops/vector_written.h"

#include <algorithm>

#include "ascsim/soc.h"

namespace ascsim {

namespace {

struct Source {
  const Operand& at;
  OperandWalk walk;
};

bool all_written(const Shadow& shadow, const VectorPlan& plan, const Source& source) {
  bool written = true;
  declare_lanes(plan, source.at, source.walk, [&](const Region& region) {
    if (region.end() > Soc::kUbBytes) return;  // reported by the instruction
    region.for_each_run([&](uint64_t begin, uint64_t length) {
      written = written && shadow.first_undefined(static_cast<int64_t>(begin),
                                                  static_cast<int64_t>(length)) < 0;
    });
  });
  return written;
}

}  // namespace

void WrittenLanes::find(const Elementwise& e, const VectorPlan& plan) {
  if (!machine().options().checks || plan.elements == 0) return;
  const Shadow& shadow = machine().current().memory(Memory::kUb).shadow;
  std::vector<Source> sources;
  const auto add = [&](const ElementOperand& o) {
    const Source source{o.at, OperandWalk(plan, bits_of(o.at.dtype), o.steps)};
    if (!all_written(shadow, plan, source)) sources.push_back(source);
  };
  for (int s = 0; s < e.source_count; ++s) add(e.sources[static_cast<size_t>(s)]);
  if (e.uses_dst) add(e.dst);
  if (sources.empty()) return;
  const OperandWalk dst(plan, bits_of(e.dst.at.dtype), e.dst.steps);
  for (int64_t r = 0; r < plan.repeats; ++r) {
    int per_run = dst.lanes_per_block;
    for (const Source& s : sources) per_run = std::min(per_run, s.walk.lanes_per_block);
    for_each_lane_run(plan.low_of(r), plan.high_of(r), plan.lanes, per_run, [&](int lane, int n) {
      for (int first = 0; first < n;) {
        int good = n - first;  // lanes from `first` on that all sources have
        for (const Source& s : sources) {
          const int64_t begin = static_cast<int64_t>(s.at.address) + s.walk.offset(r, lane + first);
          const int64_t bad = shadow.first_undefined(begin, s.walk.bytes(n - first));
          if (bad >= 0) good = std::min(good, static_cast<int>((bad - begin) * 8 / s.walk.bits));
        }
        if (good > 0) {
          spans_.emplace_back(static_cast<int64_t>(e.dst.at.address) + dst.offset(r, lane + first),
                              dst.bytes(good));
        }
        first += good + 1;
      }
    });
  }
}

void WrittenLanes::mark() {
  if (spans_.empty()) return;
  Shadow& shadow = machine().current().memory(Memory::kUb).shadow;
  for (const auto& [begin, length] : spans_) shadow.set(begin, length, true);
}

}  // namespace ascsim
