// Hazards: two accesses to the same bytes, at least one a write, that no flag or barrier orders.
//
// Rules: pages "核内同步能力概述", "PipeBarrier(ISASI)", "关键特性说明" (automatic synchronisation)
// and "Scalar读写数据" of the Ascend C documentation.
#include "check/hazard.h"

#include <cstring>
#include <unordered_map>

#include "check/clock.h"
#include "check/hint.h"
#include "check/history.h"

namespace ascsim {

namespace {

enum class Kind : uint8_t { kRead, kWrite, kAtomic };
enum class Hazard : uint8_t { kRaw, kWar, kWaw };

struct Where {
  const char* operation;
  Site site;
};

class HazardCheck : public Observer {
 public:
  explicit HazardCheck(Machine& machine) : machine_(machine) {}

  bool wants_regions() const override { return true; }
  void launch(const LaunchInfo& info) override;
  void instruction(const Issued& issued) override;
  void set_flag(const Core& core, Pipe from, Pipe to, int id, Site) override;
  void wait_flag(const Core& core, Pipe from, Pipe to, int id, Site) override;
  void barrier(const Core& core, Pipe pipe, Site) override;
  void cross_set(const Core& core, int mode, Pipe pipe, int, uint64_t set, Site) override;
  void cross_wait(const Core& core, int, const std::vector<uint64_t>& sets, Site) override;

 private:
  struct CoreHistory {
    std::vector<CellMap> memories;  // the local ones
    std::vector<Clock> flags;       // of SetFlag, by from, to, id
  };
  struct CrossSet {
    Clock clock;
    int waits_left = 0;
  };
  struct Memo {
    uint64_t serial = 0;
    uint32_t from = 0, to = 0;
  };
  struct Told {
    uint32_t component, epoch;
    Hazard hazard;
  };

  static size_t flag_index(Pipe from, Pipe to, int id) {
    return (static_cast<size_t>(from) * kPipes + static_cast<size_t>(to)) * Soc::kEventIds +
           static_cast<size_t>(id);
  }
  PipeClocks& clocks_of(const Core& core) { return clocks_[static_cast<size_t>(core.index())]; }

  uint32_t where(const Issued& issued);
  void touch(const Region& region, Kind kind);
  uint32_t step(uint32_t state, uint64_t begin, uint64_t end);
  uint32_t next_state(uint32_t state);
  bool compare(const Access& earlier, Hazard hazard, uint64_t begin, uint64_t end);
  bool ordered(const Access& earlier, Hazard hazard);
  bool ordered_in_pipe(const Access& earlier, Hazard hazard) const;
  bool ordered_with_scalar(Pipe earlier, Hazard hazard);
  void tell(const Access& earlier, Hazard hazard, uint64_t begin, uint64_t end);
  void remember(std::vector<Access>& list) const;

  Machine& machine_;
  std::vector<const Core*> cores_;
  std::vector<PipeClocks> clocks_;
  std::vector<CoreHistory> histories_;
  std::vector<CellMap> gm_;
  StatePool pool_;
  std::unordered_map<uint64_t, CrossSet> cross_sets_;
  std::vector<uint64_t> last_sets_;  // many cores wait for the same sets: SyncAll
  Clock last_joined_;
  std::vector<Where> wheres_;
  std::unordered_map<std::string, uint32_t> where_by_text_;
  std::array<uint32_t, 256> where_cache_{};

  // The instruction under way.
  const Issued* now_ = nullptr;
  const Clock* clock_ = nullptr;
  Access access_;
  const Region* region_ = nullptr;
  Kind kind_ = Kind::kRead;
  uint64_t gm_base_ = 0;
  uint64_t serial_ = 0;
  uint32_t written_ = 0;  // the state of all bytes that it writes
  std::array<Memo, 64> memo_;
  std::vector<Told> told_;
};

void HazardCheck::launch(const LaunchInfo& info) {
  cores_ = info.cores;
  const int components = static_cast<int>(cores_.size()) * kPipes;
  for (const Core* core : cores_) {
    clocks_.emplace_back(core->index(), components);
    CoreHistory& history = histories_.emplace_back();
    for (int i = 0; i < kLocalMemories; ++i) history.memories.emplace_back(pool_);
    history.flags.resize(static_cast<size_t>(kPipes * kPipes) * Soc::kEventIds);
  }
  for (int i = 0; i < machine_.gm.size(); ++i) gm_.emplace_back(pool_);
  wheres_.push_back({"", {}});
}

// ---- flags and barriers

void HazardCheck::set_flag(const Core& core, Pipe from, Pipe to, int id, Site) {
  histories_[static_cast<size_t>(core.index())].flags[flag_index(from, to, id)] =
      clocks_of(core).publish(from);
}

void HazardCheck::wait_flag(const Core& core, Pipe from, Pipe to, int id, Site) {
  const Clock& set = histories_[static_cast<size_t>(core.index())].flags[flag_index(from, to, id)];
  if (!set.empty()) clocks_of(core).learn(to, set);
}

void HazardCheck::barrier(const Core& core, Pipe pipe, Site) {
  if (pipe == Pipe::kAll) {
    clocks_of(core).complete_all();
  } else {
    clocks_of(core).complete(pipe);
  }
}

void HazardCheck::cross_set(const Core& core, int mode, Pipe pipe, int, uint64_t set, Site) {
  PipeClocks& clocks = clocks_of(core);
  CrossSet& published = cross_sets_[set];
  published.clock = clocks.publish(pipe == Pipe::kAll ? Pipe::kS : pipe);
  // Scalar stores count: that they reach GM is the matter of DataCacheCleanAndInvalid.
  published.clock[static_cast<size_t>(component_of(core.index(), Pipe::kS))] =
      clocks.issued(Pipe::kS);
  for (const Core* other : cores_) {
    const bool same_kind = other->kind() == core.kind();
    const bool same_block = other->block() == core.block();
    published.waits_left += mode == 0 ? same_kind : same_block && same_kind == (mode == 1);
  }
}

void HazardCheck::cross_wait(const Core& core, int, const std::vector<uint64_t>& sets, Site) {
  if (sets != last_sets_) {
    last_joined_.assign(cores_.size() * kPipes, 0);
    for (const uint64_t set : sets) join(last_joined_, cross_sets_.at(set).clock);
    last_sets_ = sets;
  }
  for (const uint64_t set : sets) {
    const auto found = cross_sets_.find(set);
    if (--found->second.waits_left == 0) cross_sets_.erase(found);
  }
  clocks_of(core).learn(Pipe::kS, last_joined_);
}

// ---- accesses

uint32_t HazardCheck::where(const Issued& issued) {
  const auto mix = reinterpret_cast<uintptr_t>(issued.site.file) >> 3;
  uint32_t& cached = where_cache_[(mix + static_cast<size_t>(issued.site.line) * 7) % 256];
  const Where& known = wheres_[cached];
  if (known.site.line == issued.site.line && known.site.file == issued.site.file &&
      known.operation == issued.operation) {
    return cached;
  }
  std::string text = std::string(issued.operation) + "@" + issued.site.file + ":" +
                     std::to_string(issued.site.line);
  const auto [found, added] =
      where_by_text_.emplace(std::move(text), static_cast<uint32_t>(wheres_.size()));
  if (added) wheres_.push_back({issued.operation, issued.site});
  return cached = found->second;
}

void HazardCheck::instruction(const Issued& issued) {
  if (issued.reads.empty() && issued.writes.empty()) return;
  PipeClocks& clocks = clocks_of(issued.core);
  // Page "关键特性说明": bisheng separates the vector instructions of an AIV.
  if (issued.pipe == Pipe::kV && machine_.options().auto_barriers) clocks.complete(Pipe::kV);
  now_ = &issued;
  clock_ = &clocks.issue(issued.pipe);
  access_.component = static_cast<uint32_t>(component_of(issued.core.index(), issued.pipe));
  access_.epoch = clocks.next_epoch(issued.pipe);
  access_.where = where(issued);
  access_.in_order = issued.in_order;
  access_.unit_flag = issued.unit_flag;
  told_.clear();
  const bool atomic = issued.core.state.atomic != AtomicOp::kNone &&
                      (issued.pipe == Pipe::kMte3 || issued.pipe == Pipe::kFix);
  ++serial_;
  for (const Region& region : issued.reads) touch(region, Kind::kRead);
  ++serial_;
  written_ = 0;
  for (const Region& region : issued.writes) {
    touch(region, atomic && region.memory == Memory::kGm ? Kind::kAtomic : Kind::kWrite);
  }
  // The scalar unit ends one access before it begins the next.
  if (issued.pipe == Pipe::kS) clocks.complete(Pipe::kS);
  pool_.recycle();
  now_ = nullptr;
}

void HazardCheck::touch(const Region& region, Kind kind) {
  CellMap* cells = nullptr;
  gm_base_ = 0;
  if (region.memory == Memory::kGm) {
    if (region.buffer < 0) return;
    cells = &gm_[static_cast<size_t>(region.buffer)];
    gm_base_ = machine_.gm.at(region.buffer).address;
  } else {
    cells = &histories_[static_cast<size_t>(now_->core.index())]
                 .memories[static_cast<size_t>(region.memory) - 1];
  }
  if (kind != kind_ || (region_ != nullptr && region.memory != region_->memory)) ++serial_;
  kind_ = kind;
  region_ = &region;
  region.for_each_run([&](uint64_t begin, uint64_t length) {
    begin -= gm_base_;
    cells->update(begin, begin + length, [this](uint32_t state, uint64_t from, uint64_t to) {
      return step(state, from, to);
    });
  });
  region_ = nullptr;
}

uint32_t HazardCheck::step(uint32_t state, uint64_t begin, uint64_t end) {
  Memo& memo = memo_[state % memo_.size()];
  if (memo.serial == serial_ && memo.from == state) return memo.to;
  {
    const AccessState& old = pool_.at(state);
    const Hazard hazard = kind_ == Kind::kRead ? Hazard::kRaw : Hazard::kWaw;
    bool told = false;
    if (kind_ != Kind::kRead) {
      for (const Access& reader : old.readers) told |= compare(reader, Hazard::kWar, begin, end);
    }
    if (kind_ != Kind::kAtomic) {
      for (const Access& atomic : old.atomics) told |= compare(atomic, hazard, begin, end);
    }
    // What orders this after a reader mostly orders it after what that reader waited for.
    if (!told) compare(old.writer, hazard, begin, end);
  }
  memo.serial = serial_;
  memo.from = state;
  return memo.to = next_state(state);
}

uint32_t HazardCheck::next_state(uint32_t state) {
  if (kind_ == Kind::kWrite) {
    if (written_ == 0) written_ = pool_.add(access_);
    return written_;
  }
  const std::vector<Access>& list =
      kind_ == Kind::kRead ? pool_.at(state).readers : pool_.at(state).atomics;
  for (const Access& access : list) {
    if (access.component == access_.component && access.epoch == access_.epoch) return state;
  }
  const uint32_t next = pool_.copy_of(state);
  AccessState& edited = pool_.edit(next);
  remember(kind_ == Kind::kRead ? edited.readers : edited.atomics);
  return next;
}

// Adds this access and drops those that are complete before it: who knows that this one is complete
// knows it of them too.
void HazardCheck::remember(std::vector<Access>& list) const {
  size_t kept = 0;
  for (const Access& access : list) {
    const bool implied =
        access.component == access_.component || (*clock_)[access.component] >= access.epoch;
    if (!implied) list[kept++] = access;
  }
  list.resize(kept);
  list.push_back(access_);
}

// Whether the two are a hazard.
bool HazardCheck::compare(const Access& earlier, Hazard hazard, uint64_t begin, uint64_t end) {
  if (earlier.epoch == 0 || (*clock_)[earlier.component] >= earlier.epoch) return false;
  if (earlier.component == access_.component && earlier.epoch == access_.epoch) return false;
  if (ordered(earlier, hazard)) return false;
  tell(earlier, hazard, begin, end);
  return true;
}

bool HazardCheck::ordered(const Access& earlier, Hazard hazard) {
  if (earlier.component == access_.component) return ordered_in_pipe(earlier, hazard);
  if (static_cast<int>(earlier.component) / kPipes != now_->core.index()) return false;
  const auto pipe = static_cast<Pipe>(earlier.component % kPipes);
  if (pipe == Pipe::kS || now_->pipe == Pipe::kS) return ordered_with_scalar(pipe, hazard);
  // See Issued::unit_flag.
  return region_->memory == Memory::kL0c && now_->unit_flag != 0 && earlier.unit_flag == 3;
}

// A pipe starts its instructions in order but lets them overlap. What that leaves undefined:
bool HazardCheck::ordered_in_pipe(const Access& earlier, Hazard hazard) const {
  switch (now_->pipe) {
    // Documented for results that are used again. An instruction reads before a later one of the
    // pipe writes (inferred: the pipe works off repeats in order, and reads at its beginning).
    case Pipe::kV:
      return hazard == Hazard::kWar;
    // Documented: overlapping destinations.
    case Pipe::kMte1:
    case Pipe::kMte2:
    case Pipe::kMte3:
    case Pipe::kFix:
      return hazard == Hazard::kWar;
    // Documented: accumulation in a small block of L0C.
    case Pipe::kM:
      return hazard != Hazard::kRaw || earlier.in_order;
    default:
      return true;
  }
}

// Page "Scalar读写数据": GetValue and SetValue need flags to and from the other pipes, which
// bisheng inserts on an AIV. An AIC has no such flags; its scalar unit only accesses GM.
bool HazardCheck::ordered_with_scalar(Pipe earlier, Hazard hazard) {
  const bool inserted = machine_.options().auto_barriers && now_->core.kind() == CoreKind::kAiv;
  PipeClocks& clocks = clocks_of(now_->core);
  if (earlier == Pipe::kS) {
    // A load is complete when the scalar unit goes on.
    if (hazard == Hazard::kWar || now_->core.kind() == CoreKind::kAic) return true;
    if (inserted) clocks.learn_stores(now_->pipe);
    return inserted;
  }
  if (inserted) clocks.learn(Pipe::kS, clocks.publish(earlier));
  return inserted;
}

void HazardCheck::tell(const Access& earlier, Hazard hazard, uint64_t begin, uint64_t end) {
  for (const Told& told : told_) {
    if (told.component == earlier.component && told.epoch == earlier.epoch &&
        told.hazard == hazard) {
      return;
    }
  }
  told_.push_back({earlier.component, earlier.epoch, hazard});
  static constexpr const char* kNames[] = {"RAW", "WAR", "WAW"};
  const Core& other = *cores_[earlier.component / kPipes];
  const auto pipe = static_cast<Pipe>(earlier.component % kPipes);
  const Where& where = wheres_[earlier.where];
  Report report;
  report.check = Check::kHazard;
  report.kind = kNames[static_cast<int>(hazard)];
  report.place = machine_.place(now_->pipe, now_->operation, now_->site);
  report.other =
      Place{other.block(), other.kind(), other.sub_block(), pipe, where.operation, where.site};
  Operand at;
  at.memory = region_->memory;
  at.buffer = region_->buffer;
  report.memory = machine_.memory_name(at);
  report.begin = static_cast<int64_t>(begin);
  report.end = static_cast<int64_t>(end);
  switch (hazard) {
    case Hazard::kRaw:
      report.message = "reads what may not have been written yet";
      break;
    case Hazard::kWar:
      report.message = "overwrites what may not have been read yet";
      break;
    case Hazard::kWaw:
      report.message = "overwrites what may be written only later";
      break;
  }
  report.hint = ordering_hint({&other, pipe}, {&now_->core, now_->pipe},
                              hazard == Hazard::kRaw ? "read" : "write");
  machine_.report(std::move(report));
}

}  // namespace

std::unique_ptr<Observer> make_hazard_check(Machine& machine) {
  return std::make_unique<HazardCheck>(machine);
}

}  // namespace ascsim
