// What every pipe knows to be complete.
//
// Each instruction gets an epoch on its (core, pipe), in program order. The clock of a pipe holds,
// for every (core, pipe), the epoch up to which all accesses are complete before the pipe's next
// instruction starts. Only flags and barriers carry that knowledge, so it depends on the program,
// never on the order in which the simulator happens to run the cores.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ascsim/types.h"

namespace ascsim {

using Clock = std::vector<uint32_t>;  // by component

inline int component_of(int core, Pipe pipe) { return core * kPipes + static_cast<int>(pipe); }

inline void join(Clock& into, const Clock& from) {
  uint32_t* to = into.data();
  const uint32_t* other = from.data();
  const size_t n = into.size();
  for (size_t i = 0; i < n; ++i) to[i] = to[i] < other[i] ? other[i] : to[i];
}

// The pipes of one core.
class PipeClocks {
 public:
  PipeClocks(int core, int components) : core_(core) {
    for (Clock& clock : known_) clock.assign(static_cast<size_t>(components), 0);
  }

  // Before an instruction: what the scalar unit has waited for, it had waited for when it issued
  // this. A scalar store is not part of that: other pipes meet it only through a flag.
  const Clock& issue(Pipe pipe) {
    Clock& clock = known_[index(pipe)];
    if (pipe == Pipe::kS || joined_[index(pipe)] == scalar_changes_) return clock;
    const size_t own_scalar = component(Pipe::kS);
    const uint32_t stores = clock[own_scalar];
    join(clock, known_[index(Pipe::kS)]);
    clock[own_scalar] = stores;
    joined_[index(pipe)] = scalar_changes_;
    return clock;
  }
  uint32_t next_epoch(Pipe pipe) { return ++issued_[index(pipe)]; }

  // A barrier of one pipe: all that it was given is complete.
  void complete(Pipe pipe) { known_[index(pipe)][component(pipe)] = issued_[index(pipe)]; }
  // PIPE_ALL: the scalar unit goes on when all pipes are through.
  void complete_all() {
    for (int p = 1; p < kPipes; ++p) learn(Pipe::kS, publish(static_cast<Pipe>(p)));
    for (Clock& clock : known_) {
      clock[component(Pipe::kS)] = std::max(clock[component(Pipe::kS)], issued_[0]);
    }
  }

  // What holds when everything issued so far on the pipe is complete.
  const Clock& publish(Pipe pipe) {
    published_ = issue(pipe);
    published_[component(pipe)] = issued_[index(pipe)];
    return published_;
  }
  // The pipe's later instructions start after what `clock` says.
  void learn(Pipe pipe, const Clock& clock) {
    join(known_[index(pipe)], clock);
    if (pipe == Pipe::kS) ++scalar_changes_;
  }
  // The pipe waits for the scalar unit's stores so far.
  void learn_stores(Pipe pipe) { known_[index(pipe)][component(Pipe::kS)] = issued_[0]; }
  uint32_t issued(Pipe pipe) const { return issued_[index(pipe)]; }

 private:
  static size_t index(Pipe pipe) { return static_cast<size_t>(pipe); }
  size_t component(Pipe pipe) const { return static_cast<size_t>(component_of(core_, pipe)); }

  int core_;
  Clock known_[kPipes];
  Clock published_;
  uint32_t issued_[kPipes] = {};
  uint32_t joined_[kPipes] = {};  // state of the scalar clock that the pipe has taken over
  uint32_t scalar_changes_ = 0;
};

}  // namespace ascsim
