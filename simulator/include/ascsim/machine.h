// The simulated device during one launch: cores, GM, flags, observers, reports.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ascsim/core.h"
#include "ascsim/gm.h"
#include "ascsim/mutation.h"
#include "ascsim/observer.h"
#include "ascsim/report.h"

namespace ascsim {

struct Options {
  bool execute = true;         // false: timing only, no arithmetic on floating-point data
  bool checks = true;          // parameters, alignment, uninitialized bytes, flags
  bool hazards = true;         // accesses that nothing orders
  bool auto_barriers = false;  // as bisheng's --cce-auto-sync=on: a PIPE_V barrier before each AIV
                               // vector instruction
  bool timing = false;
  std::string profile = "default";   // of timing
  bool trace = false;                // keep the timeline of every instruction
  Mutation mutation;                 // a deliberate defect
  bool mutation_points = false;      // collect those that the run could be given
  bool reserved_temporaries = true;  // the kernel must leave UB above 184 KiB to the library
};

class Machine {
 public:
  Machine(const Options& options, std::string kernel, int blocks, bool with_aic, bool with_aiv);
  ~Machine();

  // Runs `body(core)` on every core until all have ended or none can go on.
  void run(const std::function<void(Core&)>& body);

  const Options& options() const { return options_; }
  const std::string& kernel() const { return kernel_; }
  int blocks() const { return blocks_; }
  int aiv_per_block() const { return aiv_per_block_; }
  std::vector<std::unique_ptr<Core>>& cores() { return cores_; }
  Core& current() { return *current_; }

  Gm gm;
  ReportList reports;
  MutationPoints mutation_points;
  std::vector<Observer*> observers;

  // ---- synchronisation (flags.cpp)
  void set_flag(Pipe from, Pipe to, int id, Site site);
  void wait_flag(Pipe from, Pipe to, int id, Site site);
  // `written`: the kernel wrote it; false: a library function contains it.
  void barrier(Pipe pipe, Site site, bool written = true);
  // `library`: part of SyncAll, which has flags of its own.
  void cross_set(int mode, Pipe pipe, int flag, Site site, bool library = false);
  void cross_wait(int flag, Site site);

  // Where a kernel says that a buffer starts; a mutation may move it.
  uint64_t buffer_address(Memory memory, uint64_t address);

  // ---- memory (memory.cpp)
  uint8_t* pointer(const Operand& operand);
  Shadow& shadow(const Operand& operand, int64_t* offset);
  // Copies bytes between any two memories together with what is known about them. Applies the
  // core's atomic operation if `atomic`.
  void move(const Operand& to, const Operand& from, int64_t bytes);
  // Marks bytes as unwritten and fills them with NaN.
  void poison(const Operand& at, int64_t bytes);

  // ---- reports
  Place place(Pipe pipe, const char* operation, Site site) const;
  void report(Check check, std::string kind, const Place& place, std::string message);
  void report(Report report);
  std::string memory_name(const Operand& operand) const;
  // Ends the launch: for what a kernel cannot go on from.
  [[noreturn]] void stop();

 private:
  friend class Instruction;
  struct Fibres;

  // Whether this is the defect that the run is to have; notes it if points are collected. `after`:
  // something came before on the pipe that is waited for; `blocked`: the pipe that waits.
  bool mutated(const Mutation& candidate, bool after = true, Pipe blocked = Pipe::kAll);
  int mutated_event(Pipe from, Pipe to, int id, Site site);

  // A set of a cross-core flag that waits for those of the other members.
  struct PendingSet {
    uint64_t set = 0;
    Place place;
  };
  // Who must set a cross-core flag, so that each of `targets` gets one increment.
  struct CrossGroup {
    std::vector<Core*> members, targets;
    std::vector<std::deque<PendingSet>>* pending = nullptr;  // by member
  };

  void turns();
  CrossGroup group_of(const Core& from, int mode, int flag);
  void deliver(Core& to, int flag, const CrossToken& token);
  void block_on(int flag, Site site);
  bool has_pipe(Pipe pipe) const;  // the current core
  bool usable_event(Pipe from, Pipe to, int id, const Place& at);
  void check_end();
  void check_events_clear(const Core& core);
  void check_cross_flags_clear(const Core& core);
  void check_pending_sets();
  void report_deadlock();
  std::string who_could_set(const Core& waiting, int flag);
  std::string state_text(const Core& core) const;
  void step();  // after each instruction: gives the turn away once in a while when timing is on

  Options options_;
  std::string kernel_;
  int blocks_;
  int aiv_per_block_;
  std::vector<std::unique_ptr<Core>> cores_;
  Core* current_ = nullptr;
  std::unique_ptr<Fibres> fibres_;
  bool wants_regions_ = false;
  bool wants_work_ = false;
  uint64_t next_set_ = 0;
  uint64_t steps_ = 0;
  bool stopped_ = false;
  // Sets that wait for those of the other members: all cores of a kind (mode 0), or the two AIVs of
  // a block (mode 1, and mode 2 towards the AIC). Key: mode, flag, kind, block or -1.
  std::map<std::array<int, 4>, std::vector<std::deque<PendingSet>>> pending_;
  std::vector<Region> reads_, writes_;  // scratch of the instruction under way
};

// The machine of the launch under way; throws SimulatorBug outside of one.
Machine& machine();

}  // namespace ascsim
