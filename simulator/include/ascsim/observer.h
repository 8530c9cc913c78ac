// What watches a run: hazards, timing, traces. A run without observers pays nothing for them.
#pragma once

#include <cstdint>
#include <vector>

#include "ascsim/core.h"
#include "ascsim/region.h"
#include "ascsim/types.h"
#include "ascsim/work.h"

namespace ascsim {

struct LaunchInfo {
  const char* kernel = "";
  int blocks = 0;
  std::vector<const Core*> cores;
};

// An instruction as observers see it; the regions are there only if an observer wants them.
struct Issued {
  const Core& core;
  Pipe pipe;
  const char* operation;
  Site site;
  const std::vector<Region>& reads;
  const std::vector<Region>& writes;
  const Work& work;
  // False: what this writes may not be there yet for a later instruction of the same pipe that
  // reads it, unless a barrier of the pipe lies between. Only a small Mmad is like that ("Mmad"
  // page, accumulation along K with (m / 16) * (n / 16) < 10); that instruction's own reads are in
  // order.
  bool in_order = true;
  // Not 0: each access to L0C waits for the unit flag of its 512-byte block ("UnitFlag" page). An
  // earlier access of the opposite pipe (M writes, FIX reads) to the same block that was issued
  // with unit_flag 3 is complete before this access; with 2 it is not known to be. Nothing else is
  // ordered by it.
  uint8_t unit_flag = 0;
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual bool wants_regions() const { return false; }
  virtual bool wants_work() const { return false; }

  virtual void launch(const LaunchInfo&) {}
  // Called in program order of each core, after the parameters were checked and before the
  // instruction changes anything.
  virtual void instruction(const Issued&) {}
  virtual void set_flag(const Core&, Pipe /*from*/, Pipe /*to*/, int /*id*/, Site) {}
  virtual void wait_flag(const Core&, Pipe /*from*/, Pipe /*to*/, int /*id*/, Site) {}
  virtual void barrier(const Core&, Pipe, Site) {}
  // `set` numbers all sets of the launch; a wait names the sets that satisfied it.
  virtual void cross_set(const Core&, int /*mode*/, Pipe, int /*flag*/, uint64_t /*set*/, Site) {}
  virtual void cross_wait(const Core&, int /*flag*/, const std::vector<uint64_t>& /*sets*/, Site) {}
  // The kernel has ended on this core.
  virtual void ended(const Core&) {}
  // Between turns of the cores: all that is known so far may be worked off.
  virtual void turn() {}
  // The kernel has ended on all cores (or the run was given up).
  virtual void finish() {}
};

}  // namespace ascsim
