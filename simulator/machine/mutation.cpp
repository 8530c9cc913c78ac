#include "ascsim/mutation.h"

#include <algorithm>
#include <cstring>

#include "ascsim/machine.h"

namespace ascsim {

namespace {

bool same(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

std::string site_text(const Site& site) {
  const char* name = std::strrchr(site.file, '/');
  return std::string(name == nullptr ? site.file : name + 1) + ":" + std::to_string(site.line);
}

}  // namespace

const char* name_of(MutationKind kind) {
  static constexpr const char* kNames[] = {"none",           "remove pair",
                                           "remove barrier", "remove cross-core pair",
                                           "shift event id", "shift buffer"};
  return kNames[static_cast<int>(kind)];
}

bool operator==(const Mutation& a, const Mutation& b) {
  return a.kind == b.kind && a.core == b.core && a.from == b.from && a.to == b.to &&
         a.memory == b.memory && a.address == b.address && a.bytes == b.bytes &&
         same(a.first, b.first) && same(a.second, b.second);
}

std::string Mutation::text() const {
  std::string text = std::string(name_of(kind)) + " on " + name_of(core) + ": ";
  if (kind == MutationKind::kShiftBuffer) {
    return text + name_of(memory) + " buffer at " + std::to_string(address) + " by " +
           std::to_string(bytes) + " bytes";
  }
  text += std::string(name_of(from));
  if (kind == MutationKind::kRemovePair || kind == MutationKind::kShiftEvent) {
    text += std::string("_") + name_of(to);
  }
  text += " " + site_text(first);
  if (second.line > 0) text += " / " + site_text(second);
  return text;
}

void MutationPoints::add(const Mutation& mutation, bool after, const Core& core, Pipe blocked) {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const MutationPoint& point) {
    return point.mutation == mutation;
  });
  const auto index = static_cast<size_t>(found - all_.begin());
  if (found == all_.end()) all_.push_back({mutation, false});
  if (!after || all_[index].orders) return;
  if (blocked == Pipe::kAll) {
    all_[index].orders = true;
  } else {
    waiting_.push_back({index, &core, blocked, core.issued[static_cast<size_t>(blocked)]});
  }
}

const std::vector<MutationPoint>& MutationPoints::settle() {
  for (const Waiting& w : waiting_) {
    if (w.core->issued[static_cast<size_t>(w.blocked)] > w.issued) all_[w.point].orders = true;
  }
  waiting_.clear();
  return all_;
}

bool Machine::mutated(const Mutation& candidate, bool after, Pipe blocked) {
  if (!options_.mutation_points && options_.mutation.kind != candidate.kind) return false;
  Mutation here = candidate;
  here.core = current_->kind();
  if (options_.mutation_points) mutation_points.add(here, after, *current_, blocked);
  return here == options_.mutation;
}

int Machine::mutated_event(Pipe from, Pipe to, int id, Site site) {
  Mutation shift;
  shift.kind = MutationKind::kShiftEvent;
  shift.first = site;
  shift.from = from;
  shift.to = to;
  return mutated(shift) ? (id + 1) % Soc::kEventIds : id;
}

uint64_t Machine::buffer_address(Memory memory, uint64_t address) {
  Mutation shift;
  shift.kind = MutationKind::kShiftBuffer;
  shift.memory = memory;
  shift.address = address;
  // One alignment unit either way: back into the buffer before it, on into the one behind it.
  const int64_t unit = memory == Memory::kUb ? kBlockBytes : kFractalBytes;
  for (const int64_t bytes : {unit, -unit}) {
    if (bytes < 0 && address == 0) continue;
    shift.bytes = bytes;
    if (mutated(shift)) return address + static_cast<uint64_t>(bytes);
  }
  return address;
}

}  // namespace ascsim
