// Machine: events and barriers inside a core, and what must be off when a kernel ends.
//
// Semantics: pages SetFlag/WaitFlag and PipeBarrier of the Ascend C documentation for A2/A3.
#include <algorithm>
#include <string>

#include "ascsim/machine.h"

namespace ascsim {

namespace {

std::string event_name(Pipe from, Pipe to, int id) {
  return std::string(name_of(from)) + "_" + name_of(to) + " event " + std::to_string(id);
}

std::string wait_text(Pipe from, Pipe to, int id) {
  return std::string("WaitFlag<HardEvent::") + name_of(from) + "_" + name_of(to) + ">(" +
         std::to_string(id) + ")";
}

}  // namespace

void Machine::set_flag(Pipe from, Pipe to, int id, Site site) {
  id = mutated_event(from, to, id, site);
  const Place at = place(from, "SetFlag", site);
  if (!usable_event(from, to, id, at)) return;
  EventFlag& flag =
      current_->flags[static_cast<size_t>(from)][static_cast<size_t>(to)][static_cast<size_t>(id)];
  if (flag.set && options_.checks) {
    Report twice;
    twice.check = Check::kFlag;
    twice.kind = "set twice";
    twice.place = at;
    twice.other = place(from, "SetFlag", flag.site);
    twice.message = event_name(from, to, id) + " is set already";
    twice.hint = wait_text(from, to, id) + " between them, or another event id";
    report(std::move(twice));
  }
  flag.set = true;
  flag.site = site;
  flag.before = current_->issued[static_cast<size_t>(from)];
  for (Observer* observer : observers) observer->set_flag(*current_, from, to, id, site);
}

void Machine::wait_flag(Pipe from, Pipe to, int id, Site site) {
  id = mutated_event(from, to, id, site);
  const Place at = place(to, "WaitFlag", site);
  if (!usable_event(from, to, id, at)) return;
  EventFlag& flag =
      current_->flags[static_cast<size_t>(from)][static_cast<size_t>(to)][static_cast<size_t>(id)];
  if (!flag.set) {
    // The hardware would wait here; nothing later in the program of a correct kernel sets it.
    Report missing;
    missing.check = Check::kFlag;
    missing.kind = "wait without set";
    missing.place = at;
    missing.message = event_name(from, to, id) +
                      " is waited for, but no SetFlag comes before: the pipe would wait forever";
    report(std::move(missing));
    return;
  }
  flag.set = false;
  Mutation pair;
  pair.kind = MutationKind::kRemovePair;
  pair.first = flag.site;
  pair.second = site;
  pair.from = from;
  pair.to = to;
  if (mutated(pair, flag.before > 0, to)) return;
  for (Observer* observer : observers) observer->wait_flag(*current_, from, to, id, site);
}

void Machine::barrier(Pipe pipe, Site site, bool written) {
  if (pipe == Pipe::kS) {
    report(Check::kParameter, "barrier", place(pipe, "PipeBarrier", site),
           "PipeBarrier<PIPE_S> is not allowed");
    return;
  }
  Mutation removed;
  removed.kind = MutationKind::kRemoveBarrier;
  removed.first = site;
  removed.from = pipe;
  const bool after_some = pipe == Pipe::kAll || current_->issued[static_cast<size_t>(pipe)] > 0;
  if (written && mutated(removed, after_some, pipe)) return;
  for (Observer* observer : observers) observer->barrier(*current_, pipe, site);
}

// Pipes of the two kinds of core: page "API流水类型汇总".
bool Machine::has_pipe(Pipe pipe) const {
  switch (pipe) {
    case Pipe::kS:
    case Pipe::kMte2:
    case Pipe::kMte3:
    case Pipe::kAll:
      return true;
    case Pipe::kV:
      return current_->kind() == CoreKind::kAiv;
    default:
      return current_->kind() == CoreKind::kAic;
  }
}

bool Machine::usable_event(Pipe from, Pipe to, int id, const Place& at) {
  if (id < 0 || id >= Soc::kEventIds) {
    report(Check::kFlag, "event id", at, "event id " + std::to_string(id) + ", allowed 0 to 7");
    return false;
  }
  for (const Pipe pipe : {from, to}) {
    if (has_pipe(pipe)) continue;
    report(Check::kFlag, "pipe", at,
           std::string(name_of(current_->kind())) + " has no pipe " + name_of(pipe));
    return false;
  }
  return true;
}

void Machine::check_end() {
  for (auto& core : cores_) {
    current_ = core.get();
    check_events_clear(*core);
    check_cross_flags_clear(*core);
    const auto set = std::count(core->unit_flags.begin(), core->unit_flags.end(), uint8_t{1});
    if (set != 0) {
      report(Check::kFlag, "left over", place(Pipe::kM, "Mmad", core->unit_flag_site),
             "the unit flags of " + std::to_string(set) +
                 " blocks of L0C are still set when the kernel ends");
    }
    if (core->state.atomic != AtomicOp::kNone) {
      Report on;
      on.check = Check::kState;
      on.kind = "atomic left on";
      on.place = place(Pipe::kS, "SetAtomic", core->state.atomic_site);
      on.message = "moves to GM are still atomic when the kernel ends";
      on.hint = "SetAtomicNone() before the end";
      report(std::move(on));
    }
  }
  check_pending_sets();
}

void Machine::check_events_clear(const Core& core) {
  for (int from = 0; from < kPipes; ++from) {
    for (int to = 0; to < kPipes; ++to) {
      for (int id = 0; id < Soc::kEventIds; ++id) {
        const EventFlag& flag =
            core.flags[static_cast<size_t>(from)][static_cast<size_t>(to)][static_cast<size_t>(id)];
        if (!flag.set) continue;
        const auto source = static_cast<Pipe>(from), target = static_cast<Pipe>(to);
        Report left;
        left.check = Check::kFlag;
        left.kind = "left over";
        left.place = place(source, "SetFlag", flag.site);
        left.message = event_name(source, target, id) +
                       " is still set when the kernel ends: it would let the next kernel through";
        left.hint = wait_text(source, target, id) + " before the end";
        report(std::move(left));
      }
    }
  }
}

}  // namespace ascsim
