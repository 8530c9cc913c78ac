// One result per block, per pair of lanes, per repeat: the instructions behind BlockReduce*,
// PairReduceSum and WholeReduce* ("ReduceDataBlock", "ReducePairElem", "ReduceRepeat" pages).
#include <string>

#include "ops/reduce_lanes.h"
#include "ops/vector_defined.h"

namespace ascsim {

namespace {

struct Reduction {
  const char* name;
  ReduceOp op;
  ReduceResult result = ReduceResult::kValue;
  int group_bytes = 0;  // source bytes behind one result
  int64_t dst_alignment = 0;
  int64_t dst_unit = 0;  // bytes of one step between repeats
  VectorClass price = VectorClass::kBlockReduceMax;
};

int64_t result_bytes(ReduceResult result, int64_t element_bytes) {
  switch (result) {
    case ReduceResult::kValueIndex:
    case ReduceResult::kIndexValue:
      return 2 * element_bytes;
    case ReduceResult::kValue:
      return element_bytes;
    case ReduceResult::kIndex:
      return 4;  // 32 bits for half too
  }
  return 0;
}

// Results of a repeat: `declare(first, count)` for each run of groups that have an active lane.
template <typename Visit>
void for_each_result_run(uint64_t low, uint64_t high, int lanes, int group, Visit&& visit) {
  const auto active = [&](int g) {
    for (int l = g * group; l < (g + 1) * group; ++l) {
      if (((l < 64 ? low >> l : high >> (l - 64)) & 1) != 0) return true;
    }
    return false;
  };
  for (int g = 0; g < lanes / group;) {
    int end = g;
    while (end < lanes / group && active(end)) ++end;
    if (end > g) visit(g, end - g);
    g = end + 1;
  }
}

void declare_results(Instruction& i, const VectorPlan& plan, const Operand& dst, int group,
                     int64_t bytes, int64_t step) {
  const int64_t whole = plan.repeats - (plan.has_tail ? 1 : 0);
  const auto repeats = [&](uint64_t low, uint64_t high, int64_t first, int64_t count) {
    if (count <= 0) return;
    for_each_result_run(low, high, plan.lanes, group, [&](int g, int n) {
      i.writes(region(dst.plus_bytes(first * step + g * bytes), n * bytes,
                      static_cast<uint32_t>(count), step));
    });
  };
  repeats(plan.low, plan.high, 0, whole);
  if (plan.has_tail) repeats(plan.tail_low, plan.tail_high, whole, 1);
}

// A result is written if all of its lanes were.
void refine_results(const VectorPlan& plan, const Operand& dst, const LaneOperand& src, int group,
                    int64_t bytes, int64_t step) {
  const int per_block = static_cast<int>(kBlockBytes) / src.bytes;
  int64_t offset = 0;
  for (int64_t r = 0; r < plan.repeats; ++r) {
    const auto visit = [&](int g, int n) {
      machine().shadow(dst.plus_bytes(r * step + g * bytes), &offset).set(offset, n * bytes, true);
    };
    for_each_result_run(plan.low_of(r), plan.high_of(r), plan.lanes, group, visit);
    for_each_lane_run(plan.low_of(r), plan.high_of(r), plan.lanes, 1, [&](int lane, int) {
      const Shadow& from = machine().shadow(src.lane(r, lane, per_block), &offset);
      if (from.first_undefined(offset, src.bytes) < 0) return;
      Shadow& to = machine().shadow(dst.plus_bytes(r * step + lane / group * bytes), &offset);
      to.set(offset, bytes, false);
    });
  }
}

template <typename Format>
void store_extreme(const Reduction& r, const RepeatLanes<Format>& lanes, int first, int count,
                   uint8_t* to) {
  const int lane = extreme_lane(r.op, lanes, first, count);
  const auto value = Format::store(lanes.values[lane]);
  const auto wide = static_cast<uint32_t>(lane);
  if (r.result == ReduceResult::kIndex) {
    std::memcpy(to, &wide, sizeof(wide));
    return;
  }
  // The index is an integer of the value's width.
  const bool value_first = r.result != ReduceResult::kIndexValue;
  std::memcpy(to + (value_first ? 0 : sizeof(value)), &value, sizeof(value));
  if (r.result == ReduceResult::kValue) return;
  std::memcpy(to + (value_first ? sizeof(value) : 0), &wide, sizeof(value));  // little-endian
}

// Groups of a repeat of which some lanes are off.
template <typename Format>
void compute_masked(const Reduction& r, const RepeatLanes<Format>& lanes, int group, int64_t bytes,
                    uint8_t* to) {
  for (int first = 0; first < RepeatLanes<Format>::kLanes; first += group, to += bytes) {
    if (lanes.group(first, group) == 0) continue;  // nothing is written for it
    if (r.op != ReduceOp::kSum) {
      store_extreme(r, lanes, first, group, to);
      continue;
    }
    const auto value = Format::store(tree_sum(lanes, first, group));
    std::memcpy(to, &value, sizeof(value));
  }
}

template <typename Format>
ASCSIM_HOT void compute(const Reduction& r, const VectorPlan& plan, uint8_t* dst,
                        const uint8_t* src, int64_t dst_step, Steps src_steps) {
  using Stored = typename Format::Stored;
  constexpr int kLanes = RepeatLanes<Format>::kLanes;
  const int group = r.group_bytes / static_cast<int>(sizeof(Stored));
  const int64_t bytes = result_bytes(r.result, sizeof(Stored));
  RepeatLanes<Format> lanes;
  for (int64_t repeat = 0; repeat < plan.repeats; ++repeat) {
    lanes.load(plan, repeat, src, src_steps);
    uint8_t* to = dst + repeat * dst_step;
    if (!lanes.all() || r.result != ReduceResult::kValue) {
      compute_masked(r, lanes, group, bytes, to);
      continue;
    }
    combine_groups(r.op, lanes, group);
    Stored results[kLanes / 2];
    for (int n = 0; n < kLanes / group; ++n) results[n] = Format::store(lanes.values[n]);
    std::memcpy(to, results, static_cast<size_t>(kLanes / group) * sizeof(Stored));
  }
}

void require_strides(Instruction& i, int64_t dst_step, Steps src_steps) {
  const auto fits = [](int64_t v) { return v >= 0 && v <= 65535; };
  i.require(fits(dst_step) && fits(src_steps.block) && fits(src_steps.repeat), Check::kNarrowing,
            [&] {
              return "strides dst " + std::to_string(dst_step) + ", src block " +
                     std::to_string(src_steps.block) + ", src repeat " +
                     std::to_string(src_steps.repeat) + ", allowed 0 to 65535";
            });
}

void run(const Reduction& r, const Operand& dst, const Operand& src, const Lanes& lanes,
         int64_t dst_step, Steps src_steps, Site site) {
  Instruction i(Pipe::kV, r.name, site);
  i.require((src.dtype == DType::kFp16 || src.dtype == DType::kFp32) && dst.dtype == src.dtype,
            Check::kParameter, [&] {
              return std::string(name_of(src.dtype)) + " to " + name_of(dst.dtype) +
                     ", allowed fp16 and fp32";
            });
  const int bytes = bits_of(src.dtype) / 8;
  const VectorPlan plan = plan_lanes(i, lanes, bytes);
  require_strides(i, dst_step, src_steps);
  i.require_aligned(dst, r.dst_alignment, "dst");
  i.require_aligned(src, kBlockBytes, "src");
  const int64_t step = dst_step * r.dst_unit;
  declare_operand(plan, src, bytes, src_steps, [&](const Region& reg) { i.reads(reg); });
  declare_results(i, plan, dst, r.group_bytes / bytes, result_bytes(r.result, bytes), step);
  VectorWork work;
  work.op = r.price;
  work.dtype = src.dtype;
  work.repeats = static_cast<uint32_t>(plan.repeats);
  work.elements = static_cast<uint32_t>(plan.elements);
  work.dst = work_operand(dst, {1, step / kBlockBytes});
  work.dst.blocks = 1;
  work.src0 = work_operand(src, src_steps);
  i.work = work;
  i.marks_results = true;
  const bool execute = i.begin(src.dtype);
  if (i.used_unwritten()) {
    refine_results(plan, dst, {src, bytes, src_steps}, r.group_bytes / bytes,
                   result_bytes(r.result, bytes), step);
  }
  if (!execute) return;
  uint8_t* to = machine().pointer(dst);
  const uint8_t* from = machine().pointer(src);
  if (src.dtype == DType::kFp32) return compute<Fp32>(r, plan, to, from, step, src_steps);
  compute<Fp16>(r, plan, to, from, step, src_steps);
}

}  // namespace

void vector_block_reduce(const char* name, ReduceOp op, const Operand& dst, const Operand& src,
                         const Lanes& lanes, int64_t dst_step, Steps src_steps, Site site) {
  const int64_t bytes = bits_of(src.dtype) / 8;
  Reduction r{name, op};
  r.group_bytes = kBlockBytes;
  r.dst_alignment = r.dst_unit = 8 * bytes;
  r.price = op == ReduceOp::kSum ? VectorClass::kBlockReduceSum : VectorClass::kBlockReduceMax;
  run(r, dst, src, lanes, dst_step, src_steps, site);
}

void vector_pair_reduce(const char* name, const Operand& dst, const Operand& src,
                        const Lanes& lanes, int64_t dst_step, Steps src_steps, Site site) {
  Reduction r{name, ReduceOp::kSum};
  r.group_bytes = 2 * bits_of(src.dtype) / 8;
  r.dst_alignment = kBlockBytes;
  r.dst_unit = kRepeatBytes / 2;
  r.price = VectorClass::kPairReduceSum;
  run(r, dst, src, lanes, dst_step, src_steps, site);
}

void vector_whole_reduce(const char* name, ReduceOp op, ReduceResult result, const Operand& dst,
                         const Operand& src, const Lanes& lanes, int64_t dst_step, Steps src_steps,
                         Site site) {
  Reduction r{name, op};
  r.result = op == ReduceOp::kSum ? ReduceResult::kValue : result;
  r.group_bytes = kRepeatBytes;
  // Table 3 of the "ReduceRepeat" page: alignment and unit are the size of the result.
  r.dst_alignment = r.dst_unit = result_bytes(r.result, bits_of(src.dtype) / 8);
  r.price = op == ReduceOp::kSum ? VectorClass::kWholeReduceSum : VectorClass::kWholeReduceMax;
  run(r, dst, src, lanes, dst_step, src_steps, site);
}

}  // namespace ascsim
