// One deliberate defect in a run: proves that the checks would find it.
//
// Synchronisation and buffers all pass through the machine, so a kernel is changed while it runs
// and needs no second build. A source line stands for what it does in all its executions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ascsim/types.h"

namespace ascsim {

enum class MutationKind : uint8_t {
  kNone,
  kRemovePair,     // a SetFlag and the WaitFlag that takes it: nothing is ordered by them any more
  kRemoveBarrier,  // a PipeBarrier
  kRemoveCross,    // a CrossCoreSetFlag and the CrossCoreWaitFlag that takes it
  kShiftEvent,     // the event id of one SetFlag or WaitFlag, by one
  kShiftBuffer     // where a buffer starts, by `bytes`
};

const char* name_of(MutationKind kind);

struct Mutation {
  MutationKind kind = MutationKind::kNone;
  Site first;   // SetFlag, PipeBarrier, CrossCoreSetFlag, or the call whose event id moves
  Site second;  // WaitFlag, CrossCoreWaitFlag
  CoreKind core = CoreKind::kAic;
  Pipe from = Pipe::kS, to = Pipe::kS;  // events; a barrier's pipe is `from`
  Memory memory = Memory::kUb;          // buffers
  uint64_t address = 0;
  int64_t bytes = 0;

  std::string text() const;
};

bool operator==(const Mutation& a, const Mutation& b);

// A defect that a run could be given.
struct MutationPoint {
  Mutation mutation;
  // Whether the synchronisation orders anything in this run: an instruction before it on the pipe
  // waited for, and one behind it on the pipe that waits. If not, its removal changes nothing.
  bool orders = false;
};

class Core;

// Every defect of these kinds that a run could be given, in the order of first occurrence.
class MutationPoints {
 public:
  // `blocked`: the pipe that waits here, kAll if any instruction may depend on it.
  void add(const Mutation& mutation, bool after, const Core& core, Pipe blocked);
  // At the end of the run: decides `orders`.
  const std::vector<MutationPoint>& settle();

 private:
  struct Waiting {
    size_t point;
    const Core* core;
    Pipe blocked;
    uint64_t issued;
  };

  std::vector<MutationPoint> all_;
  std::vector<Waiting> waiting_;
};

}  // namespace ascsim
