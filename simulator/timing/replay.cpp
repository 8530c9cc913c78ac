#include "timing/replay.h"

#include <algorithm>
#include <limits>

namespace ascsim {

namespace {

constexpr int bit(Pipe pipe) { return 1 << static_cast<int>(pipe); }

}  // namespace

Replay::Replay(const Profile& profile, const std::vector<const Core*>& cores, bool trace)
    : profile_(profile), trace_(trace), fluid_(profile), cores_(cores.size()) {
  for (size_t i = 0; i < cores.size(); ++i) {
    cores_[i].aic = cores[i]->kind() == CoreKind::kAic;
    cores_[i].flags.resize(kPipes * kPipes * Soc::kEventIds);
  }
}

void Replay::record(int core, const Record& record) {
  cores_[static_cast<size_t>(core)].stream.push_back(record);
}

uint32_t Replay::add_move(const GmMove& move, const Price& price) {
  if (free_moves_.empty()) {
    moves_.push_back({move, price});
    return static_cast<uint32_t>(moves_.size() - 1);
  }
  const uint32_t index = free_moves_.back();
  free_moves_.pop_back();
  moves_[index] = {move, price};
  return index;
}

void Replay::announce_set(uint64_t set, double latency, int reads) {
  sets_[set] = {-1, latency, reads};
}

Replay::Flag& Replay::flag(CoreState& core, Pipe from, Pipe to, uint8_t id) {
  const size_t index =
      (static_cast<size_t>(from) * kPipes + static_cast<size_t>(to)) * Soc::kEventIds + id;
  if (!core.flags[index]) core.flags[index] = std::make_unique<Flag>();
  return *core.flags[index];
}

// ---------------------------------------------------------------- issue

// Which token of the other pipe this instruction waits for, in program order.
void Replay::link_unit_flag(CoreState& core, Record& record) {
  if (core.tokens.empty()) core.tokens.resize(kTokens);
  const bool writes = record.pipe == Pipe::kM;
  Block* own = nullptr;
  for (Block& block : core.blocks) {
    if (block.begin >= record.l0c_end || record.l0c_begin >= block.end) continue;
    record.wait_token = std::max(record.wait_token, writes ? block.reader : block.writer);
    if (block.begin == record.l0c_begin) own = &block;
  }
  if (!record.unit_release) return;
  if (own == nullptr) {
    core.blocks.emplace_back();
    own = &core.blocks.back();
    own->begin = record.l0c_begin;
  }
  own->end = record.l0c_end;
  record.own_token = core.first_token++;
  token(core, record.own_token) = {};
  (writes ? own->writer : own->reader) = record.own_token;
}

// Instructions of the scalar unit and what stops it. False: it cannot go on yet.
bool Replay::issue_scalar(int index, const Record& record) {
  CoreState& core = cores_[static_cast<size_t>(index)];
  switch (record.kind) {
    case RecordKind::kScalar:
      trace(index, Pipe::kS, record, core.time, core.time + record.occupancy);
      core.time += record.occupancy;
      core.scalar_busy += record.occupancy;
      return true;
    case RecordKind::kSet: {
      Flag& f = flag(core, Pipe::kS, record.other, record.id);
      f.times[f.sets++ % f.times.size()] = core.time;
      core.dirty |= bit(record.other);
      return true;
    }
    case RecordKind::kWait: {
      Flag& f = flag(core, record.other, Pipe::kS, record.id);
      if (f.waits >= f.sets) return false;
      core.time = std::max(core.time, f.times[f.waits++ % f.times.size()]);
      return true;
    }
    case RecordKind::kBarrierAll:
      for (const PipeState& p : core.pipes) {
        if (p.in != p.out || p.moving) return false;
      }
      for (const PipeState& p : core.pipes) core.time = std::max(core.time, p.complete);
      return true;
    case RecordKind::kCrossSet:
      resolve_set(record.set, core.time);
      return true;
    case RecordKind::kCrossWait:
      return issue_cross_wait(core, record);
    default:
      return true;
  }
}

bool Replay::issue_cross_wait(CoreState& core, const Record& record) {
  const auto found = sets_.find(record.set);
  if (found == sets_.end()) return true;
  CrossSet& set = found->second;
  core.waits_for_core = set.time < 0;
  if (set.time < 0) return false;
  core.time = std::max(core.time, set.time + set.latency);
  if (--set.reads <= 0) sets_.erase(found);
  return true;
}

void Replay::issue(int index) {
  CoreState& core = cores_[static_cast<size_t>(index)];
  while (core.head < core.stream.size()) {
    Record& record = core.stream[core.head];
    if (record.pipe == Pipe::kS || record.kind == RecordKind::kCrossWait ||
        record.kind == RecordKind::kBarrierAll) {
      if (!issue_scalar(index, record)) return;
    } else {
      PipeState& pipe = core.pipes[static_cast<size_t>(record.pipe)];
      if (pipe.in - pipe.out == kDepth) return;
      const size_t place = pipe.in % kDepth;
      if (pipe.in >= kDepth) core.time = std::max(core.time, pipe.left[place]);
      if (record.l0c_end != 0) link_unit_flag(core, record);
      pipe.queue[place].record = record;
      pipe.queue[place].issued = core.time;
      ++pipe.in;
      core.time += profile_.issue_cycles;
      core.scalar_busy += profile_.issue_cycles;
      work_off(index, record.pipe);
    }
    ++core.head;
  }
  core.stream.clear();
  core.head = 0;
}

// ---------------------------------------------------------------- pipes

void Replay::work_off(int index, Pipe pipe) {
  CoreState& core = cores_[static_cast<size_t>(index)];
  PipeState& state = core.pipes[static_cast<size_t>(pipe)];
  while (state.in != state.out) {
    const size_t place = state.out % kDepth;
    if (!work_entry(index, pipe, state.queue[place])) return;
    state.left[place] = state.last_left;
    ++state.out;
    core.dirty |= kIssueBit;
  }
}

// False: something it depends on is not known yet.
bool Replay::work_entry(int index, Pipe pipe, const Entry& entry) {
  CoreState& core = cores_[static_cast<size_t>(index)];
  PipeState& state = core.pipes[static_cast<size_t>(pipe)];
  const Record& record = entry.record;
  const double here = std::max(entry.issued, state.last_left);
  if (record.kind == RecordKind::kWait) {
    Flag& f = flag(core, record.other, pipe, record.id);
    if (f.waits >= f.sets) return false;
    state.ready = std::max(state.ready, f.times[f.waits++ % f.times.size()]);
    state.last_left = std::max(here, state.ready);
    return true;
  }
  if (state.moving) return false;
  switch (record.kind) {
    case RecordKind::kSet: {
      Flag& f = flag(core, pipe, record.other, record.id);
      f.times[f.sets++ % f.times.size()] = std::max(here, state.complete);
      state.last_left = here;
      core.dirty |= record.other == Pipe::kS ? kIssueBit : bit(record.other);
      return true;
    }
    case RecordKind::kBarrier:
      state.ready = std::max({state.ready, here, state.complete + profile_.barrier_cycles});
      state.last_left = here;
      return true;
    case RecordKind::kCrossSet:
      resolve_set(record.set, std::max(here, state.complete));
      state.last_left = here;
      return true;
    default:
      return start_instruction(index, pipe, entry);
  }
}

bool Replay::start_instruction(int index, Pipe pipe, const Entry& entry) {
  CoreState& core = cores_[static_cast<size_t>(index)];
  PipeState& state = core.pipes[static_cast<size_t>(pipe)];
  const Record& record = entry.record;
  double start = std::max({entry.issued, state.last_left, state.free, state.ready});
  double least_end = 0;
  double duration = record.occupancy;
  if (record.gm) {
    const Price& price = moves_[record.move].price;
    const GmMove& move = moves_[record.move].move;
    duration = std::max(price.least_cycles,
                        static_cast<double>(move.runs) * move.run_bytes / price.port_rate);
  }
  if (record.wait_token != 0) {
    // Both pipes walk over L0C in the same order, so the second may follow the first closely.
    const Token& other = token(core, record.wait_token);
    if (!other.started) return false;
    start = std::max(start, other.start + profile_.unit_flag_lead);
    least_end = other.end + profile_.unit_flag_lead;
    if (record.gm) start = std::max(start, least_end - duration);
  }
  const double end = std::max(start + duration, least_end);
  if (record.own_token != 0) {
    token(core, record.own_token) = {true, start, end + (pipe == Pipe::kM ? record.latency : 0)};
    core.dirty |= pipe == Pipe::kM ? bit(Pipe::kFix) : bit(Pipe::kM);
  }
  state.last_left = start;
  if (record.gm) {
    Move& move = moves_[record.move];
    state.moving = true;
    state.move_start = start;
    state.moved = record;
    Flow flow;
    flow.start = start;
    flow.core = index;
    flow.pipe = static_cast<int>(pipe);
    flow.port_rate = move.price.port_rate;
    flow.least_cycles = move.price.least_cycles;
    flow.move = move.move;
    fluid_.submit(flow);
    free_moves_.push_back(record.move);
    return true;
  }
  state.free = end;
  state.busy += end - start;
  state.complete = std::max(state.complete, end + record.latency);
  trace(index, pipe, record, start, end);
  return true;
}

void Replay::resolve_set(uint64_t set, double time) {
  const auto found = sets_.find(set);
  if (found == sets_.end()) return;
  found->second.time = time;
  for (size_t i = 0; i < cores_.size(); ++i) {
    if (!cores_[i].waits_for_core) continue;
    cores_[i].dirty |= kIssueBit;
    unsettled_.push_back(static_cast<int>(i));
  }
}

void Replay::settle(int index) {
  CoreState& core = cores_[static_cast<size_t>(index)];
  while (core.dirty != 0) {
    const int dirty = core.dirty;
    core.dirty = 0;
    for (int p = 0; p < kPipes; ++p) {
      if ((dirty >> p & 1) != 0) work_off(index, static_cast<Pipe>(p));
    }
    if ((dirty & kIssueBit) != 0 || (core.dirty & kIssueBit) != 0) {
      core.dirty &= ~kIssueBit;
      issue(index);
    }
  }
}

// ---------------------------------------------------------------- all cores

// No instruction that is not recorded yet can start before this.
double Replay::horizon() const {
  double time = std::numeric_limits<double>::infinity();
  for (const CoreState& core : cores_) {
    if (!core.ended && core.head == core.stream.size()) time = std::min(time, core.time);
  }
  return time;
}

void Replay::run() {
  for (size_t i = 0; i < cores_.size(); ++i) {
    cores_[i].dirty |= kIssueBit;
    unsettled_.push_back(static_cast<int>(i));
  }
  const auto settle_all = [&] {
    while (!unsettled_.empty()) {
      const int index = unsettled_.back();
      unsettled_.pop_back();
      settle(index);
    }
  };
  settle_all();
  double limit = horizon();
  for (;;) {
    const double next = fluid_.next_time();
    if (next == std::numeric_limits<double>::infinity() || next > limit) break;
    const FluidModel::Event event = fluid_.step();
    if (!event.completed) continue;
    CoreState& core = cores_[static_cast<size_t>(event.core)];
    PipeState& pipe = core.pipes[static_cast<size_t>(event.pipe)];
    pipe.moving = false;
    pipe.free = event.time;
    pipe.busy += event.time - pipe.move_start;
    pipe.complete = std::max(pipe.complete, event.time + pipe.moved.latency);
    trace(event.core, static_cast<Pipe>(event.pipe), pipe.moved, pipe.move_start, event.time);
    core.dirty |= 1 << event.pipe | kIssueBit;
    unsettled_.push_back(event.core);
    settle_all();
    limit = horizon();
  }
  for (CoreState& core : cores_) {
    core.stream.erase(core.stream.begin(), core.stream.begin() + static_cast<long>(core.head));
    core.head = 0;
  }
}

void Replay::trace(int core, Pipe pipe, const Record& record, double begin, double end) {
  if (trace_) slices_.push_back({core, pipe, record.operation, record.site, begin, end});
}

double Replay::end_time() const {
  double end = 0;
  for (const CoreState& core : cores_) {
    end = std::max(end, core.time);
    for (const PipeState& pipe : core.pipes) end = std::max(end, pipe.complete);
  }
  return end;
}

double Replay::busy(int core, Pipe pipe) const {
  const CoreState& state = cores_[static_cast<size_t>(core)];
  return pipe == Pipe::kS ? state.scalar_busy : state.pipes[static_cast<size_t>(pipe)].busy;
}

size_t Replay::pending() const {
  size_t count = 0;
  for (const CoreState& core : cores_) count += core.stream.size() - core.head;
  return count;
}

}  // namespace ascsim
