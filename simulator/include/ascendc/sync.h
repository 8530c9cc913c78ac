// Events, barriers, flags between cores, and who am I.
#pragma once

#include "ascendc/base.h"
#include "ascsim/machine.h"

namespace AscendC {

using ascsim::Site;

// clang-format off
#define ASCSIM_EVENTS(X)                                                                          \
  X(MTE2, MTE1) X(MTE1, MTE2) X(MTE1, M) X(M, MTE1) X(MTE2, V) X(V, MTE2) X(MTE3, V) X(V, MTE3)   \
  X(M, V) X(V, M) X(V, V) X(MTE3, MTE1) X(MTE1, MTE3) X(MTE1, V) X(MTE2, M) X(M, MTE2)            \
  X(V, MTE1) X(M, FIX) X(FIX, M) X(MTE3, MTE2) X(MTE2, MTE3) X(S, V) X(V, S) X(S, MTE2)           \
  X(MTE2, S) X(S, MTE3) X(MTE3, S) X(MTE2, FIX) X(FIX, MTE2) X(FIX, S) X(M, S) X(FIX, MTE3)       \
  X(MTE1, FIX) X(FIX, MTE1) X(FIX, FIX)
// clang-format on

enum class HardEvent : uint8_t {
#define ASCSIM_EVENT(from, to) from##_##to,
  ASCSIM_EVENTS(ASCSIM_EVENT)
#undef ASCSIM_EVENT
      MAX
};

struct EventPipes {
  ascsim::Pipe from, to;
};

constexpr EventPipes pipes_of(HardEvent event) {
  constexpr EventPipes table[] = {
#define ASCSIM_EVENT(from, to) {pipe_of(PIPE_##from), pipe_of(PIPE_##to)},
      ASCSIM_EVENTS(ASCSIM_EVENT)
#undef ASCSIM_EVENT
  };
  return table[static_cast<int>(event)];
}

template <HardEvent event, typename Id>
void SetFlag(Id id, Site site = Site::here()) {
  constexpr EventPipes pipes = pipes_of(event);
  ascsim::machine().set_flag(pipes.from, pipes.to, static_cast<int>(id), site);
}

template <HardEvent event, typename Id>
void WaitFlag(Id id, Site site = Site::here()) {
  constexpr EventPipes pipes = pipes_of(event);
  ascsim::machine().wait_flag(pipes.from, pipes.to, static_cast<int>(id), site);
}

template <pipe_t pipe>
void PipeBarrier(Site site = Site::here()) {
  ascsim::machine().barrier(pipe_of(pipe), site);
}

template <uint8_t mode, pipe_t pipe>
void CrossCoreSetFlag(uint16_t flag, Site site = Site::here()) {
  ascsim::machine().cross_set(mode, pipe_of(pipe), flag, site);
}

// Mode and pipe of a wait have no effect (documented): it stops the issue of everything later.
template <uint8_t mode = 0, pipe_t pipe = PIPE_S>
void CrossCoreWaitFlag(uint16_t flag, Site site = Site::here()) {
  ascsim::machine().cross_wait(flag, site);
}

inline int64_t GetBlockNum() { return ascsim::machine().blocks(); }
inline int64_t GetSubBlockNum() {
  return g_coreType == AIC ? 1 : ascsim::machine().aiv_per_block();
}
inline int64_t GetTaskRation() { return GetSubBlockNum(); }
inline int64_t GetSubBlockIdx() { return ascsim::machine().current().sub_block(); }
inline int64_t GetBlockIdx() {
  const ascsim::Core& core = ascsim::machine().current();
  if (g_coreType == AIC) return core.block();
  return core.block() * ascsim::machine().aiv_per_block() + core.sub_block();
}

// Flags as documented: 11 to 14 are SyncAll's.
template <bool aiv_only = true>
void SyncAll(Site site = Site::here()) {
  ascsim::Machine& m = ascsim::machine();
  m.barrier(ascsim::Pipe::kAll, site);
  if constexpr (aiv_only) {
    const int flag = 14;
    m.cross_set(0, g_coreType == AIC ? ascsim::Pipe::kFix : ascsim::Pipe::kMte3, flag, site, true);
    m.cross_wait(flag, site);
  } else if constexpr (g_coreType == AIC) {
    m.cross_wait(12, site);
    m.cross_set(0, ascsim::Pipe::kFix, 11, site, true);
    m.cross_wait(11, site);
    m.cross_set(2, ascsim::Pipe::kFix, 13, site, true);
  } else {
    m.cross_set(2, ascsim::Pipe::kMte3, 12, site, true);
    m.cross_wait(13, site);
  }
}

// The hardware needs the address of its flag unit before the first cross-core call.
inline void SetSyncBaseAddr(uint64_t) {}

}  // namespace AscendC

// The raw form of PipeBarrier.
inline void pipe_barrier(pipe_t pipe, ascsim::Site site = ascsim::Site::here()) {
  ascsim::machine().barrier(AscendC::pipe_of(pipe), site);
}
