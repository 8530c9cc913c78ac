// Machine: flags between cores.
//
// Semantics: pages CrossCoreSetFlag and CrossCoreWaitFlag of the Ascend C documentation for A2/A3.
#include <algorithm>
#include <string>

#include "ascsim/machine.h"
#include "machine/fibres.h"

namespace ascsim {

namespace {

std::string flag_text(int flag, int mode) {
  return "cross-core flag " + std::to_string(flag) + ", mode " + std::to_string(mode);
}

}  // namespace

// Mode 0: all cores of a kind meet. Mode 1: the two AIVs of a core meet. Mode 2: the AIC sets the
// flag of its AIVs; its AIVs together set the flag of the AIC.
Machine::CrossGroup Machine::group_of(const Core& from, int mode, int flag) {
  CrossGroup group;
  for (auto& core : cores_) {
    const bool same_kind = core->kind() == from.kind();
    const bool same_block = core->block() == from.block();
    const bool member = same_kind && (mode == 0 || same_block);
    if (member) group.members.push_back(core.get());
    if (mode == 2 ? !same_kind && same_block : member) group.targets.push_back(core.get());
  }
  auto& pending =
      pending_[{mode, flag, static_cast<int>(from.kind()), mode == 0 ? -1 : from.block()}];
  pending.resize(group.members.size());
  group.pending = &pending;
  return group;
}

void Machine::cross_set(int mode, Pipe pipe, int flag, Site site, bool library) {
  const Place at = place(pipe, "CrossCoreSetFlag", site);
  Core& from = *current_;
  if (flag < 0 || flag >= Soc::kCrossFlags || mode < 0 || mode > 2) {
    report(Check::kFlag, "cross-core flag", at,
           flag_text(flag, mode) + ": allowed are flags 0 to 15 and modes 0 to 2");
    return;
  }
  if (mode == 1 && from.kind() == CoreKind::kAic) {
    report(Check::kFlag, "cross-core flag", at, "mode 1 is between the two AIVs of a core");
    return;
  }
  if (!has_pipe(pipe)) {
    report(Check::kFlag, "pipe", at,
           std::string(name_of(from.kind())) + " has no pipe " + name_of(pipe));
    return;
  }
  if (!library && flag >= Soc::kSyncAllFlag && flag < Soc::kSyncAllFlag + Soc::kSyncAllFlags) {
    report(Check::kFlag, "reserved flag", at,
           flag_text(flag, mode) + ": SyncAll uses flags 11 to 14, kernels have 0 to 10");
  }
  const uint64_t set = next_set_++;
  for (Observer* observer : observers) observer->cross_set(from, mode, pipe, flag, set, site);

  const CrossGroup group = group_of(from, mode, flag);
  const auto own = std::find(group.members.begin(), group.members.end(), &from);
  (*group.pending)[static_cast<size_t>(own - group.members.begin())].push_back({set, at});
  for (const auto& sets : *group.pending) {
    if (sets.empty()) return;  // the others have yet to set it
  }
  CrossToken token;
  token.mode = mode;
  token.site = site;
  token.place = at;
  for (auto& sets : *group.pending) {
    token.sets.push_back(sets.front().set);
    sets.pop_front();
  }
  for (Core* target : group.targets) deliver(*target, flag, token);
}

void Machine::deliver(Core& to, int flag, const CrossToken& token) {
  auto& tokens = to.cross[static_cast<size_t>(flag)];
  if (options_.checks && !tokens.empty() && tokens.back().mode != token.mode) {
    Report mixed;
    mixed.check = Check::kFlag;
    mixed.kind = "mixed modes";
    mixed.place = token.place;
    mixed.other = tokens.back().place;
    mixed.message = flag_text(flag, token.mode) + ", is set while sets of mode " +
                    std::to_string(tokens.back().mode) + " wait at " + to_text(to);
    report(std::move(mixed));
  }
  tokens.push_back(token);
  if (options_.checks && static_cast<int>(tokens.size()) > Soc::kCrossFlagLimit) {
    Report many;
    many.check = Check::kFlag;
    many.kind = "too many sets";
    many.place = token.place;
    many.message = "cross-core flag " + std::to_string(flag) + " of " + to_text(to) +
                   " would count " + std::to_string(tokens.size()) + ", its limit is " +
                   std::to_string(Soc::kCrossFlagLimit);
    many.hint = "let the core that sets it wait for an answer at least every " +
                std::to_string(Soc::kCrossFlagLimit) + " sets";
    report(std::move(many));
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

void Machine::check_cross_flags_clear(const Core& core) {
  for (int flag = 0; flag < Soc::kCrossFlags; ++flag) {
    const auto& tokens = core.cross[static_cast<size_t>(flag)];
    if (tokens.empty()) continue;
    report(Check::kFlag, "left over", tokens.back().place,
           "cross-core flag " + std::to_string(flag) + " of " + to_text(core) + " still counts " +
               std::to_string(tokens.size()) + " when the kernel ends");
  }
}

void Machine::check_pending_sets() {
  for (const auto& [key, members] : pending_) {
    for (const auto& sets : members) {
      if (sets.empty()) continue;
      report(Check::kFlag, "left over", sets.back().place,
             flag_text(key[1], key[0]) + ": the other cores never set it as often as this one (" +
                 std::to_string(sets.size()) + " sets without answer)");
    }
  }
}

// ---- deadlock

std::string Machine::state_text(const Core& core) const {
  for (const auto& fibre : fibres_->all) {
    if (&fibre->core != &core) continue;
    if (fibre->state == FibreState::kBlocked) {
      return to_text(core) + " (waits for flag " + std::to_string(fibre->waiting_flag) + " at " +
             to_text(fibre->waiting_site) + ")";
    }
    return to_text(core) + (fibre->state == FibreState::kEnded ? " (has ended)" : " (runs)");
  }
  return to_text(core);
}

// All who must still set the flag, for each mode in which somebody could.
std::string Machine::who_could_set(const Core& waiting, int flag) {
  std::string text;
  for (int mode = 0; mode <= 2; ++mode) {
    // Any core of the setting group stands for it.
    const Core* from = nullptr;
    for (auto& core : cores_) {
      const bool same_kind = core->kind() == waiting.kind();
      const bool same_block = core->block() == waiting.block();
      if (mode == 1 && core->kind() == CoreKind::kAic) continue;
      if (mode == 2 ? !same_kind && same_block : same_kind && (mode == 0 || same_block)) {
        from = core.get();
        break;
      }
    }
    if (from == nullptr) continue;
    const CrossGroup group = group_of(*from, mode, flag);
    std::string missing;
    size_t waits = 0;
    for (size_t i = 0; i < group.members.size(); ++i) {
      if (!(*group.pending)[i].empty()) continue;
      if (++waits <= 4) missing += (waits > 1 ? ", " : "") + state_text(*group.members[i]);
    }
    if (waits > 4) missing += " and " + std::to_string(waits - 4) + " more";
    const bool begun = waits < group.members.size();
    text += (text.empty() ? "" : "\n  ") + std::string("mode ") + std::to_string(mode) +
            (begun ? ", set by others already, lacks " : " would need ") + missing;
  }
  return text;
}

void Machine::report_deadlock() {
  for (auto& fibre : fibres_->all) {
    if (fibre->state != FibreState::kBlocked) continue;
    current_ = &fibre->core;
    Report deadlock;
    deadlock.check = Check::kDeadlock;
    deadlock.kind = name_of(Check::kDeadlock);
    deadlock.place = place(Pipe::kS, "CrossCoreWaitFlag", fibre->waiting_site);
    deadlock.message = "waits for cross-core flag " + std::to_string(fibre->waiting_flag) +
                       ", and no core that runs will set it";
    deadlock.hint = who_could_set(fibre->core, fibre->waiting_flag);
    report(std::move(deadlock));
  }
}

}  // namespace ascsim
