// How a vector instruction walks over UB: shared by all operations of pipe V.
//
// Rules: "通用说明" pages on mask, repeat and address offsets of the Ascend C documentation. One repeat
// covers 8 blocks of 32 bytes; the mask has a bit per lane; in counter mode it is a number of
// elements over all repeats.
#pragma once

#include <cstdint>
#include <string>

#include "ascsim/instruction.h"
#include "ascsim/machine.h"
#include "ascsim/ops_vector.h"

namespace ascsim {

// Lanes of one repeat as two masks of 64; repeats 0 .. full-1 use `mask`, a last one may use `tail`.
struct VectorPlan {
  int lanes = 64;       // of one repeat
  int64_t repeats = 0;  // all of them
  uint64_t low = 0, high = 0;
  bool has_tail = false;
  uint64_t tail_low = 0, tail_high = 0;
  int64_t elements = 0;  // active lanes

  uint64_t low_of(int64_t r) const { return has_tail && r == repeats - 1 ? tail_low : low; }
  uint64_t high_of(int64_t r) const { return has_tail && r == repeats - 1 ? tail_high : high; }
};

inline uint64_t ones(int64_t count) {
  if (count <= 0) return 0;
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

// Plan for lanes of `bytes` bytes each (the wider type of a cast). Reports repeats above 255.
inline VectorPlan plan_lanes(Instruction& i, const Lanes& given, int bytes) {
  VectorPlan plan;
  plan.lanes = static_cast<int>(kRepeatBytes) / bytes;
  ScalarState& state = i.core().state;
  int64_t total = -1;
  if (given.counted) {
    total = given.count;
  } else if (state.mask_counter) {
    total = static_cast<int64_t>(given.own_mask ? given.low : state.mask_low);
  }
  if (total >= 0) {
    plan.low = ones(plan.lanes);
    plan.high = ones(plan.lanes - 64);
    plan.repeats = (total + plan.lanes - 1) / plan.lanes;
    const int64_t rest = total % plan.lanes;
    plan.has_tail = rest != 0;
    plan.tail_low = ones(rest);
    plan.tail_high = ones(rest - 64);
    plan.elements = total;
  } else {
    i.require(given.repeats >= 0 && given.repeats <= 255, Check::kNarrowing, [&] {
      return "repeat " + std::to_string(given.repeats) + ", allowed 0 to 255";
    });
    plan.repeats = given.repeats;
    plan.low = (given.own_mask ? given.low : state.mask_low) & ones(plan.lanes);
    plan.high = (given.own_mask ? given.high : state.mask_high) & ones(plan.lanes - 64);
    plan.elements =
        plan.repeats * (__builtin_popcountll(plan.low) + __builtin_popcountll(plan.high));
    if (plan.elements == 0) plan.repeats = 0;
  }
  // A count form switches to counter mode and back, which leaves all lanes on.
  if (given.counted || given.own_mask) state.mask_preset = false;
  if (given.counted) {
    state.mask_low = state.mask_high = ~uint64_t{0};
    state.mask_counter = false;
  } else if (given.own_mask) {
    state.mask_low = given.low;
    state.mask_high = given.high;
  }
  return plan;
}

// Calls visit(first_lane, count) for each run of active lanes of a repeat that lies in one block.
template <typename Visit>
void for_each_lane_run(uint64_t low, uint64_t high, int lanes, int lanes_per_block, Visit&& visit) {
  for (int lane = 0; lane < lanes;) {
    const auto on = [&](int l) { return ((l < 64 ? low >> l : high >> (l - 64)) & 1) != 0; };
    if (!on(lane)) {
      ++lane;
      continue;
    }
    const int block_end = (lane / lanes_per_block + 1) * lanes_per_block;
    int end = lane + 1;
    while (end < block_end && on(end)) ++end;
    visit(lane, end - lane);
    lane = end;
  }
}

// Declares the bytes of one operand: `declare(region)` is called for each strided piece.
template <typename Declare>
void declare_operand(const VectorPlan& plan, const Operand& at, int bytes, Steps steps,
                     Declare&& declare) {
  const int per_block = static_cast<int>(kBlockBytes) / bytes;
  const bool full = plan.low == ones(plan.lanes) && plan.high == ones(plan.lanes - 64);
  const int blocks = plan.lanes / per_block;
  const auto repeats = [&](uint64_t low, uint64_t high, int64_t first, int64_t count) {
    if (count <= 0) return;
    for_each_lane_run(low, high, plan.lanes, per_block, [&](int lane, int n) {
      const int64_t offset = first * steps.repeat * kBlockBytes +
                             lane / per_block * steps.block * kBlockBytes +
                             lane % per_block * bytes;
      declare(region(at.plus_bytes(offset), static_cast<int64_t>(n) * bytes,
                     static_cast<uint32_t>(count), steps.repeat * kBlockBytes));
    });
  };
  const int64_t whole = plan.repeats - (plan.has_tail ? 1 : 0);
  if (full && whole > 0) {
    declare(region(at, kBlockBytes, static_cast<uint32_t>(blocks), steps.block * kBlockBytes,
                   static_cast<uint32_t>(whole), steps.repeat * kBlockBytes));
  } else {
    repeats(plan.low, plan.high, 0, whole);
  }
  if (plan.has_tail) repeats(plan.tail_low, plan.tail_high, whole, 1);
}

inline VectorOperand work_operand(const Operand& at, Steps steps) {
  VectorOperand operand;
  operand.address = static_cast<uint32_t>(at.address);
  operand.block_stride = static_cast<uint16_t>(steps.block);
  operand.repeat_stride = static_cast<uint16_t>(steps.repeat);
  operand.present = true;
  return operand;
}

}  // namespace ascsim
