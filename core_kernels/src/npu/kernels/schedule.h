#pragma once

// Which work a core does, in which order. Cube and vector cores walk the same list.
//
// A task is a block of queries of one sequence and of one group of query heads that share a KV
// head; a unit is one stack of its keys. Tasks are dealt out in turn, long ones first.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/query_blocks.h"
#include "npu/kernels/sequence.h"
#include "npu/kernels/tile_shape.h"
#include "problem/head_group.h"
#include "problem/kv_range.h"

namespace fa::npu {

struct Task {
  int32_t number = 0;            // of this core
  int32_t number_with_keys = 0;  // the same, but counted only where there are keys
  int32_t batch = 0;
  HeadGroup heads = {};
  Sequence q, kv;
  int32_t split = 0;
  KvRange part = {};  // the keys of that split
  int32_t first_query = 0;
  int32_t rows = 0;    // row r is (query first_query + r / heads.size, member r % heads.size)
  KvRange keys = {};   // seen by any of the rows
  bool again = false;  // a second time, now that the maxima of the rows are known
};

struct Unit {
  Task task;
  int32_t number = 0;  // of this core
  int32_t first_key = 0;
  int32_t keys = 0;  // 0: the task's rows see no key at all
  bool opens_task = false;
  bool closes_task = false;

  __aicore__ inline int32_t slot() const { return number % kUnitsInFlight; }
  __aicore__ inline int32_t stack_slot() const { return number % kStackSlots; }
  __aicore__ inline int32_t task_slot() const { return task.number % kUnitsInFlight; }
  __aicore__ inline int32_t tiles() const { return (keys + kTile - 1) / kTile; }
  __aicore__ inline int32_t tile_keys(int32_t tile) const {
    return lesser(kTile, keys - tile * kTile);
  }
  __aicore__ inline int32_t row_blocks() const { return (task.rows + kTile - 1) / kTile; }
  __aicore__ inline int32_t block_rows(int32_t row) const { return lesser(kTile, task.rows - row); }
};

// Tiles [begin, end) of a unit.
struct TileRange {
  int32_t begin;
  int32_t end;
};

class Schedule {
 public:
  // `twice`: each task a second time, right behind the first.
  __aicore__ inline Schedule(const ForwardArgs& args, int32_t stack_keys, bool twice, int64_t core,
                             int64_t cores)
      : args_(args),
        q_(args.q_lengths, args.status, kWrongQueries),
        kv_(args),
        splits_(greater(1, args.splits.count)),
        longest_stack_(stack_keys),
        twice_(twice),
        core_(core),
        cores_(cores),
        next_(core),
        blocks_(args.cut, args.heads_per_row_group),
        head_groups_(args.q_heads / args.heads_per_row_group),
        block_count_(blocks_.count(args.q_lengths.limit)) {}

  // False when there is no more.
  __aicore__ inline bool next(Unit& unit) {
    if (unit_.number < 0 || unit_.closes_task) {
      if (!repeat_task() && !next_task()) return false;
      unit_.opens_task = true;
      unit_.first_key = unit_.task.keys.lo;
    } else {
      unit_.opens_task = false;
      unit_.first_key += unit_.keys;
    }
    ++unit_.number;
    unit_.keys = lesser(stack_keys_, unit_.task.keys.hi - unit_.first_key);
    unit_.closes_task = unit_.first_key + unit_.keys == unit_.task.keys.hi;
    unit = unit_;
    return true;
  }

  // Both ends grow with the query: rows without keys have {0, 0} before they are cut to the part
  // of the task's split, and come first.
  __aicore__ inline KvRange visible(const Task& task, int32_t query) const {
    const KvRangeMask mask{args_.window_left, args_.window_right, args_.attention_chunk};
    const KvRange all = visible_keys(mask, query, task.q.length, task.kv.length);
    return {within(task.part, all.lo), within(task.part, all.hi)};
  }

  // The tiles of which any of the up to 128 rows from `row` on sees a key; the first one if none
  // does, so that there is a product in any case: of probabilities that are 0.
  __aicore__ inline TileRange tiles_seen(const Unit& unit, int32_t row) const {
    const Task& task = unit.task;
    const int32_t end = lesser(task.rows, row + kTile) - 1;
    const KvRange first = visible(task, task.first_query + row / task.heads.size);
    const KvRange last = visible(task, task.first_query + end / task.heads.size);
    const int32_t low = greater(0, first.lo - unit.first_key);
    const int32_t high = lesser(unit.keys, last.hi - unit.first_key);
    if (high <= low) return {0, 1};
    return {low / kTile, (high + kTile - 1) / kTile};
  }

  // Those of all rows, and what lies between them.
  __aicore__ inline TileRange tiles_seen(const Unit& unit) const {
    TileRange all = tiles_seen(unit, 0);
    for (int32_t row = kTile; row < unit.task.rows; row += kTile) {
      const TileRange seen = tiles_seen(unit, row);
      all = {lesser(all.begin, seen.begin), greater(all.end, seen.end)};
    }
    return all;
  }

 private:
  __aicore__ inline bool repeat_task() {
    if (!twice_ || unit_.number < 0 || unit_.task.again) return false;
    unit_.task.again = true;
    count_task();
    return true;
  }

  // Moves on to the (query block, sequence) that holds this core's next task.
  __aicore__ inline bool next_task() {
    while (step_ < static_cast<int64_t>(block_count_) * args_.batch) {
      const bool by_sequence = args_.task_order == static_cast<int32_t>(TaskOrder::kSequences);
      const bool late = args_.task_order == static_cast<int32_t>(TaskOrder::kLateBlocks);
      const int32_t inner = by_sequence ? block_count_ : args_.batch;
      const int32_t turn = static_cast<int32_t>(step_ / inner);
      const int32_t other = static_cast<int32_t>(step_ % inner);
      const int32_t batch = by_sequence ? turn : other;
      const int32_t block = by_sequence ? other : late ? block_count_ - 1 - turn : turn;
      const Sequence q = q_.at(batch);
      const bool exists = blocks_.first(block) < q.length;
      if (exists && next_ < passed_ + head_groups_ * splits_) {
        start(batch, block, q, static_cast<int32_t>(next_ - passed_));
        deal();
        return true;
      }
      if (exists) passed_ += head_groups_ * splits_;
      ++step_;
    }
    return false;
  }

  // There and back again: whoever got the longest task of a round gets the shortest of the next.
  __aicore__ inline void deal() {
    ++round_;
    next_ = round_ * cores_ + (round_ % 2 == 0 ? core_ : cores_ - 1 - core_);
  }

  __aicore__ inline void start(int32_t batch, int32_t block, const Sequence& q, int32_t index) {
    Task& task = unit_.task;
    const int32_t group = index / splits_;
    task.split = index % splits_;
    task.batch = batch;
    const int32_t size = args_.heads_per_row_group;
    const int32_t heads_per_kv = args_.q_heads / args_.kv_heads;
    task.heads = HeadGroup{size, group * size / heads_per_kv, group * size};
    task.q = q;
    task.kv = kv_.at(batch);
    task.part = part_of(task.kv.length, task.split);
    task.first_query = blocks_.first(block);
    const int32_t queries = lesser(blocks_.size(block), q.length - task.first_query);
    task.rows = queries * size;
    const KvRange last = visible(task, task.first_query + queries - 1);
    task.keys = KvRange{visible(task, task.first_query).lo, last.hi};
    stack_keys_ = sees_few_keys(task) ? lesser(longest_stack_, kShortStackKeys) : longest_stack_;
    // Stacks lie on one grid for all tasks, so that no bit depends on how queries are cut up.
    if (task.keys.hi > task.keys.lo) {
      task.keys.lo -= (task.keys.lo - task.part.lo) % stack_keys_;
    }
    task.again = false;
    count_task();
  }

  // On the average of a sequence's rows, so that all tasks that share its keys have the same
  // stacks.
  __aicore__ inline bool sees_few_keys(const Task& task) const {
    const int32_t keys = task.part.hi - task.part.lo;
    const bool causal = args_.window_right >= 0;
    const bool windowed = args_.window_left >= 0 && args_.window_left <= kFewKeys;
    const bool chunked = args_.attention_chunk > 0 && args_.attention_chunk <= kFewKeys;
    return windowed || chunked || keys <= (causal ? 2 * kFewKeys : kFewKeys);
  }

  __aicore__ inline void count_task() {
    Task& task = unit_.task;
    task.number = tasks_++;
    task.number_with_keys = tasks_with_keys_;
    if (task.keys.hi > task.keys.lo) ++tasks_with_keys_;
  }

  // Splits cut the keys of a sequence at tiles, whatever its rows see of them.
  __aicore__ inline KvRange part_of(int32_t keys, int32_t split) const {
    const int32_t tiles = (keys + kTile - 1) / kTile;
    const int32_t step = (tiles + splits_ - 1) / splits_ * kTile;
    return {lesser(split * step, keys), lesser((split + 1) * step, keys)};
  }

  __aicore__ static inline int32_t within(KvRange part, int32_t key) {
    return greater(part.lo, lesser(key, part.hi));
  }

  ForwardArgs args_;
  SequenceTable q_;
  KeyTable kv_;
  int32_t splits_;
  int32_t longest_stack_;   // keys
  int32_t stack_keys_ = 0;  // of the current task
  bool twice_;
  int64_t core_, cores_;
  int64_t round_ = 0;   // of dealing one task to each core
  int64_t next_;        // number of this core's next task among all
  int64_t passed_ = 0;  // tasks before the current (query block, sequence)
  int64_t step_ = 0;    // number of the current (query block, sequence)
  QueryBlocks blocks_;
  int32_t head_groups_, block_count_;
  int32_t tasks_ = 0, tasks_with_keys_ = 0;
  Unit unit_ = first_unit();

  __aicore__ static inline Unit first_unit() {
    Unit unit;
    unit.number = -1;
    return unit;
  }
};

// What a core does at a time; null where there is nothing.
struct Turn {
  const Unit* begins = nullptr;       // its first half: scores, softmax
  const Unit* ends = nullptr;         // its second half, kUnitsAhead turns later: output, rescale
  const Unit* begins_next = nullptr;  // in the next turn
  const Unit* ends_next = nullptr;
};

// Whether a turn that begins a unit, or none, ends one too.
__aicore__ inline bool ends_one(int32_t begun, int32_t ended, const Unit* begins) {
  return ended < begun && (begins == nullptr || begun - ended > kUnitsAhead);
}

template <typename Role>
__aicore__ inline void run_units(Schedule& schedule, Role& role) {
  constexpr int32_t kUnits = kUnitsInFlight + 1;
  Unit units[kUnits];
  int32_t begun = 0, ended = 0;
  bool more = schedule.next(units[0]);
  while (more || ended < begun) {
    Turn turn;
    if (more) {
      turn.begins = &units[begun++ % kUnits];
      more = schedule.next(units[begun % kUnits]);
      if (more) turn.begins_next = &units[begun % kUnits];
    }
    if (ends_one(begun, ended, turn.begins)) turn.ends = &units[ended++ % kUnits];
    if (ends_one(begun + (more ? 1 : 0), ended, turn.begins_next)) {
      turn.ends_next = &units[ended % kUnits];
    }
    role.turn(turn);
  }
}

}  // namespace fa::npu
