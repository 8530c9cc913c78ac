// How a vector instruction walks over UB: shared by all operations of pipe V.
//
// Rules: the pages on masks ("掩码"), repeats and strides ("高维切分") of the Ascend C
// documentation. One repeat covers 8 blocks of 32 bytes; the mask has a bit per lane; in counter
// mode it is a number of elements over all repeats.
#pragma once

#include <cstdint>
#include <string>

#include "ascsim/instruction.h"
#include "ascsim/machine.h"
#include "ascsim/ops_vector.h"

namespace ascsim {

// Lanes of one repeat as two masks of 64; repeats 0 .. full-1 use `mask`, a last one may use
// `tail`.
struct VectorPlan {
  int lanes = 64;       // of one repeat
  int64_t repeats = 0;  // all of them
  uint64_t low = 0, high = 0;
  bool has_tail = false;
  uint64_t tail_low = 0, tail_high = 0;
  int64_t elements = 0;  // active lanes

  uint64_t low_of(int64_t r) const { return has_tail && r == repeats - 1 ? tail_low : low; }
  uint64_t high_of(int64_t r) const { return has_tail && r == repeats - 1 ? tail_high : high; }
  int64_t whole() const { return repeats - (has_tail ? 1 : 0); }  // repeats with the first mask
};

constexpr uint64_t ones(int64_t count) {
  if (count <= 0) return 0;
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

// Lanes of a mask if they are the first ones, else -1.
inline int leading_lanes(uint64_t low, uint64_t high) {
  const int n = __builtin_popcountll(low) + __builtin_popcountll(high);
  return low == ones(n) && high == ones(n - 64) ? n : -1;
}

// What counter mode counts: the elements of the whole instruction, or (Copy) of each repeat.
enum class Counts : uint8_t { kAllRepeats, kEachRepeat };

// Plan for lanes of `bytes` bytes each (the wider type of a cast). Reports repeats above 255, and
// masks that another instruction has destroyed; leaves the mask as the instruction does.
VectorPlan plan_lanes(Instruction& i, const Lanes& given, int bytes,
                      Counts counts = Counts::kAllRepeats);

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

// An operand in bits, since two int4 share a byte.
struct OperandWalk {
  int64_t block_stride;   // bytes
  int64_t repeat_stride;  // bytes
  int bits;               // of an element
  int lanes_per_block;
  int blocks;  // of one repeat

  OperandWalk(const VectorPlan& plan, int element_bits, Steps steps)
      : block_stride(steps.block * kBlockBytes),
        repeat_stride(steps.repeat * kBlockBytes),
        bits(element_bits),
        lanes_per_block(static_cast<int>(kBlockBytes) * 8 / element_bits),
        blocks(plan.lanes / lanes_per_block) {}

  // The blocks of a repeat lie one behind the other; and so do the repeats.
  bool dense() const { return block_stride == kBlockBytes || blocks == 1; }
  bool contiguous() const { return dense() && repeat_stride == blocks * kBlockBytes; }
  int64_t offset(int64_t repeat, int lane) const {
    return repeat * repeat_stride + lane / lanes_per_block * block_stride +
           lane % lanes_per_block * bits / 8;
  }
  int64_t bytes(int64_t elements) const { return elements * bits / 8; }
};

// Declares the bytes of one operand: `declare(region)` is called for each strided piece.
template <typename Declare>
void declare_lanes(const VectorPlan& plan, const Operand& at, const OperandWalk& w,
                   Declare&& declare) {
  if (plan.elements == 0) return;
  const int lead = leading_lanes(plan.low, plan.high);
  if (lead == plan.lanes && w.contiguous()) {
    return declare(region(at, w.bytes(plan.elements)));
  }
  const auto rows = [&](int lane, int n, int64_t first, int64_t count, uint32_t blocks) {
    const bool again = w.repeat_stride == 0;  // the same bytes in each repeat
    declare(region(at.plus_bytes(w.offset(first, lane)), w.bytes(n), blocks, w.block_stride,
                   again ? 1 : static_cast<uint32_t>(count), again ? 0 : w.repeat_stride));
  };
  const auto part = [&](uint64_t low, uint64_t high, int64_t first, int64_t count) {
    if (count <= 0) return;
    const int n = leading_lanes(low, high);
    if (n >= 0 && w.dense()) return rows(0, n, first, count, 1);
    if (n >= 0) {
      const int full = n / w.lanes_per_block, rest = n % w.lanes_per_block;
      const auto blocks = static_cast<uint32_t>(w.block_stride == 0 ? 1 : full);
      if (full > 0) rows(0, w.lanes_per_block, first, count, blocks);
      if (rest > 0) rows(full * w.lanes_per_block, rest, first, count, 1);
      return;
    }
    for_each_lane_run(low, high, plan.lanes, w.dense() ? plan.lanes : w.lanes_per_block,
                      [&](int lane, int run) { rows(lane, run, first, count, 1); });
  };
  part(plan.low, plan.high, 0, plan.whole());
  if (plan.has_tail) part(plan.tail_low, plan.tail_high, plan.whole(), 1);
}

template <typename Declare>
void declare_operand(const VectorPlan& plan, const Operand& at, int bytes, Steps steps,
                     Declare&& declare) {
  declare_lanes(plan, at, OperandWalk(plan, bytes * 8, steps), declare);
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
