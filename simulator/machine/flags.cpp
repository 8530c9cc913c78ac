// Machine: events inside a core and flags between cores.
//
// Semantics: pages SetFlag/WaitFlag, PipeBarrier, CrossCoreSetFlag, CrossCoreWaitFlag of the
// Ascend C documentation for A2/A3.
#include <algorithm>
#include <string>

#include "ascsim/machine.h"
#include "machine/fibres.h"

namespace ascsim {

namespace {

std::string event_name(Pipe from, Pipe to, int id) {
  return std::string(name_of(from)) + "_" + name_of(to) + " event " + std::to_string(id);
}

std::string site_text(Site site) {
  return std::string(site.file) + ":" + std::to_string(site.line);
}

}  // namespace

void Machine::set_flag(Pipe from, Pipe to, int id, Site site) {
  id = mutated_event(from, to, id, site);
  const Place at = place(from, "SetFlag", site);
  if (id < 0 || id >= Soc::kEventIds) {
    report(Check::kFlag, "event id", at, "event id " + std::to_string(id) + ", allowed 0 to 7");
    return;
  }
  EventFlag& flag =
      current_->flags[static_cast<size_t>(from)][static_cast<size_t>(to)][static_cast<size_t>(id)];
  if (flag.set && options_.checks) {
    report(Check::kFlag, "set twice", at,
           event_name(from, to, id) + " is set already, at " + site_text(flag.site));
  }
  flag.set = true;
  flag.site = site;
  for (Observer* observer : observers) observer->set_flag(*current_, from, to, id, site);
}

void Machine::wait_flag(Pipe from, Pipe to, int id, Site site) {
  id = mutated_event(from, to, id, site);
  const Place at = place(to, "WaitFlag", site);
  if (id < 0 || id >= Soc::kEventIds) {
    report(Check::kFlag, "event id", at, "event id " + std::to_string(id) + ", allowed 0 to 7");
    return;
  }
  EventFlag& flag =
      current_->flags[static_cast<size_t>(from)][static_cast<size_t>(to)][static_cast<size_t>(id)];
  if (!flag.set) {
    // The hardware would wait here; nothing later in the program of a correct kernel sets it.
    report(Check::kFlag, "wait without set", at,
           event_name(from, to, id) + " is waited for, but no SetFlag comes before");
    return;
  }
  flag.set = false;
  Mutation pair;
  pair.kind = MutationKind::kRemovePair;
  pair.first = flag.site;
  pair.second = site;
  pair.from = from;
  pair.to = to;
  if (mutated(pair)) return;
  for (Observer* observer : observers) observer->wait_flag(*current_, from, to, id, site);
}

void Machine::barrier(Pipe pipe, Site site) {
  if (pipe == Pipe::kS) {
    report(Check::kParameter, "barrier", place(pipe, "PipeBarrier", site),
           "PipeBarrier<PIPE_S> is not allowed");
    return;
  }
  Mutation removed;
  removed.kind = MutationKind::kRemoveBarrier;
  removed.first = site;
  removed.from = pipe;
  if (mutated(removed)) return;
  for (Observer* observer : observers) observer->barrier(*current_, pipe, site);
}

void Machine::cross_set(int mode, Pipe pipe, int flag, Site site) {
  const Place at = place(pipe, "CrossCoreSetFlag", site);
  if (flag < 0 || flag >= Soc::kCrossFlags || mode < 0 || mode > 2) {
    report(Check::kFlag, "cross-core flag", at,
           "mode " + std::to_string(mode) + ", flag " + std::to_string(flag) +
               ", allowed modes 0 to 2, flags 0 to 15");
    return;
  }
  Core& from = *current_;
  const bool aic = from.kind() == CoreKind::kAic;
  if (mode == 1 && aic) {
    report(Check::kFlag, "cross-core mode", at, "mode 1 is between the two AIVs of a core");
    return;
  }
  const uint64_t set = next_set_++;
  for (Observer* observer : observers) observer->cross_set(from, mode, pipe, flag, set, site);

  // Who must set (members), and who then gets one increment (targets).
  std::vector<Core*> members, targets;
  for (auto& core : cores_) {
    const bool same_kind = core->kind() == from.kind();
    const bool same_block = core->block() == from.block();
    const bool member = mode == 0 ? same_kind : same_kind && same_block;
    if (mode == 2 && aic ? core.get() == &from : member) members.push_back(core.get());
    const bool target = mode == 2 ? !same_kind && same_block : member;
    if (target) targets.push_back(core.get());
  }
  const std::array<int, 4> key{mode, flag, static_cast<int>(from.kind()),
                               mode == 0 ? -1 : from.block()};
  auto& pending = pending_[key];
  pending.resize(members.size());
  const auto own = std::find(members.begin(), members.end(), &from) - members.begin();
  pending[static_cast<size_t>(own)].push_back(set);
  const bool complete =
      std::all_of(pending.begin(), pending.end(), [](const auto& sets) { return !sets.empty(); });
  if (!complete) return;
  CrossToken token;
  for (auto& sets : pending) {
    token.sets.push_back(sets.front());
    sets.pop_front();
  }
  token.site = site;
  for (Core* target : targets) deliver(*target, flag, token, site);
}

void Machine::deliver(Core& to, int flag, CrossToken token, Site site) {
  auto& tokens = to.cross[static_cast<size_t>(flag)];
  tokens.push_back(std::move(token));
  if (static_cast<int>(tokens.size()) > Soc::kCrossFlagLimit && options_.checks) {
    report(Check::kFlag, "too many sets", place(Pipe::kS, "CrossCoreSetFlag", site),
           "cross-core flag " + std::to_string(flag) + " of " + name_of(to.kind()) + " " +
               std::to_string(to.block()) + "." + std::to_string(to.sub_block()) +
               " would count " + std::to_string(tokens.size()) + " sets, the limit is " +
               std::to_string(Soc::kCrossFlagLimit));
  }
}

void Machine::cross_wait(int flag, Site site) {
  if (flag < 0 || flag >= Soc::kCrossFlags) {
    report(Check::kFlag, "cross-core flag", place(Pipe::kS, "CrossCoreWaitFlag", site),
           "flag " + std::to_string(flag) + ", allowed 0 to 15");
    return;
  }
  Core& core = *current_;
  auto& tokens = core.cross[static_cast<size_t>(flag)];
  while (tokens.empty()) block_on(flag, site);
  const CrossToken token = std::move(tokens.front());
  tokens.pop_front();
  Mutation pair;
  pair.kind = MutationKind::kRemoveCross;
  pair.first = token.site;
  pair.second = site;
  if (mutated(pair)) return;
  for (Observer* observer : observers) observer->cross_wait(core, flag, token.sets, site);
}

void Machine::check_end() {
  for (auto& core : cores_) {
    current_ = core.get();
    for (int from = 0; from < kPipes; ++from) {
      for (int to = 0; to < kPipes; ++to) {
        for (int id = 0; id < Soc::kEventIds; ++id) {
          const EventFlag& flag = core->flags[static_cast<size_t>(from)][static_cast<size_t>(to)]
                                             [static_cast<size_t>(id)];
          if (!flag.set) continue;
          report(Check::kFlag, "left over", place(static_cast<Pipe>(from), "SetFlag", flag.site),
                 event_name(static_cast<Pipe>(from), static_cast<Pipe>(to), id) +
                     " is still set when the kernel ends");
        }
      }
    }
    for (int flag = 0; flag < Soc::kCrossFlags; ++flag) {
      const size_t left = core->cross[static_cast<size_t>(flag)].size();
      if (left == 0) continue;
      report(Check::kFlag, "left over", place(Pipe::kS, "CrossCoreSetFlag", {}),
             "cross-core flag " + std::to_string(flag) + " still counts " + std::to_string(left) +
                 " when the kernel ends");
    }
    const auto set = std::count(core->unit_flags.begin(), core->unit_flags.end(), uint8_t{1});
    if (set != 0) {
      report(Check::kFlag, "left over", place(Pipe::kM, "Mmad", core->unit_flag_site),
             "the unit flags of " + std::to_string(set) +
                 " blocks of L0C are still set when the kernel ends");
    }
    if (core->state.atomic != AtomicOp::kNone) {
      report(Check::kState, "atomic", place(Pipe::kS, "SetAtomicAdd", core->state.atomic_site),
             "atomic mode is still on when the kernel ends");
    }
  }
  for (const auto& [key, members] : pending_) {
    for (const auto& sets : members) {
      if (sets.empty()) continue;
      current_ = nullptr;
      report(Check::kFlag, "left over", place(Pipe::kS, "CrossCoreSetFlag", {}),
             "a set of cross-core flag " + std::to_string(key[1]) + ", mode " +
                 std::to_string(key[0]) + ", never met those of the other cores");
    }
  }
}

}  // namespace ascsim
