// Recorded instruction streams, replayed in simulated time.
//
// Each core is a small network: the scalar unit issues in program order into one queue per pipe,
// and each pipe works its queue off in order. All times follow from earlier ones in one pass,
// without events, except for moves to and from GM (their duration depends on the other cores:
// FluidModel) and flags of other cores. A core is worked until everything left waits for one of
// these.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "ascsim/core.h"
#include "timing/fluid.h"
#include "timing/price.h"

namespace ascsim {

enum class RecordKind : uint8_t {
  kRun,     // an instruction of a pipe
  kScalar,  // one of the scalar unit
  kSet,
  kWait,
  kBarrier,  // of one pipe
  kBarrierAll,
  kCrossSet,
  kCrossWait
};

struct Record {
  RecordKind kind = RecordKind::kRun;
  Pipe pipe = Pipe::kS;   // whose queue it goes through
  Pipe other = Pipe::kS;  // flags: the pipe that sets, the pipe that waits
  uint8_t id = 0;
  bool gm = false;
  bool unit_release = false;            // hands its block of L0C to the other pipe
  uint32_t move = 0;                    // GM: index into Replay's moves
  uint32_t l0c_begin = 0, l0c_end = 0;  // with unit flag: what it occupies
  uint32_t wait_token = 0, own_token = 0;
  float occupancy = 0;
  float latency = 0;
  uint64_t set = 0;  // cross-core
  const char* operation = "";
  Site site;
};

// A stretch of a pipe's time, for traces.
struct Slice {
  int core = 0;
  Pipe pipe = Pipe::kS;
  const char* operation = "";
  Site site;
  double begin = 0, end = 0;
};

class Replay {
 public:
  Replay(const Profile& profile, const std::vector<const Core*>& cores, bool trace);

  void record(int core, const Record& record);
  uint32_t add_move(const GmMove& move, const Price& price);
  // Announces set number `set`; `reads` waits will ask for it.
  void announce_set(uint64_t set, double latency, int reads);
  void end_core(int core) { cores_[static_cast<size_t>(core)].ended = true; }
  // Works off what can be: all of it once every core has ended.
  void run();

  double end_time() const;
  double busy(int core, Pipe pipe) const;
  size_t pending() const;  // records not yet issued
  const FluidModel& fluid() const { return fluid_; }
  const std::vector<Slice>& slices() const { return slices_; }

 private:
  static constexpr int kDepth = Soc::kQueueDepth;
  static constexpr int kIssueBit = 1 << kPipes;

  struct Entry {
    Record record;
    double issued = 0;
  };
  struct PipeState {
    std::array<Entry, kDepth> queue;
    std::array<double, kDepth> left{};  // when the entry in this place left the queue
    uint64_t in = 0, out = 0;
    double last_left = 0;
    double free = 0;      // the pipe can start the next instruction
    double complete = 0;  // all its instructions so far are complete
    double ready = 0;     // what flags and barriers hold it back to
    bool moving = false;  // a GM move is under way
    double move_start = 0;
    Record moved;  // the move under way
    double busy = 0;
  };
  // Sets of one flag in the order of the pipe that sets, for the waits in theirs.
  struct Flag {
    std::array<double, 2 * kDepth> times{};
    uint64_t sets = 0, waits = 0;
  };
  // Hand-over of a block of L0C by unit flags.
  struct Token {
    bool started = false;
    double start = 0, end = 0;
  };
  struct Block {
    uint32_t begin = 0, end = 0;
    uint32_t writer = 0, reader = 0;  // tokens of the last Mmad and the last Fixpipe
  };
  struct CoreState {
    std::vector<Record> stream;
    size_t head = 0;
    bool ended = false;
    bool aic = false;
    bool waits_for_core = false;  // the issue stands at a cross-core flag
    double time = 0;              // of the scalar unit
    double scalar_busy = 0;
    double last_complete = 0;
    int dirty = kIssueBit;
    std::array<PipeState, kPipes> pipes;
    std::vector<std::unique_ptr<Flag>> flags;
    std::vector<Block> blocks;
    std::vector<Token> tokens;
    uint32_t first_token = 1;
  };
  struct CrossSet {
    double time = -1;  // negative: not yet known
    double latency = 0;
    int reads = 0;
  };
  struct Move {
    GmMove move;
    Price price;
  };

  Flag& flag(CoreState& core, Pipe from, Pipe to, uint8_t id);
  void settle(int index);
  void issue(int index);
  bool issue_scalar(int index, const Record& record);
  bool issue_cross_wait(CoreState& core, const Record& record);
  void link_unit_flag(CoreState& core, Record& record);
  void work_off(int index, Pipe pipe);
  bool work_entry(int index, Pipe pipe, const Entry& entry);
  bool start_instruction(int index, Pipe pipe, const Entry& entry);
  Token& token(CoreState& core, uint32_t id) { return core.tokens[(id - 1) % kTokens]; }
  void resolve_set(uint64_t set, double time);
  double horizon() const;
  void trace(int core, Pipe pipe, const Record& record, double begin, double end);

  static constexpr uint32_t kTokens = 4096;  // far more than can be pending

  Profile profile_;
  bool trace_;
  FluidModel fluid_;
  std::vector<CoreState> cores_;
  std::vector<Move> moves_;
  std::vector<uint32_t> free_moves_;
  std::unordered_map<uint64_t, CrossSet> sets_;
  std::vector<int> unsettled_;
  std::vector<Slice> slices_;
};

}  // namespace ascsim
