// ReduceMax, ReduceMin, ReduceSum over all elements: passes of one result per repeat over a
// temporary, as the pages of these functions describe them for A2/A3.
#include <algorithm>

#include "ascsim/ops_scalar.h"
#include "ops/reduce_lanes.h"

namespace ascsim {

namespace {

constexpr int64_t kMaxRepeats = 255;

const char* name_of(ReduceOp op) {
  return op == ReduceOp::kMax ? "ReduceMax" : op == ReduceOp::kMin ? "ReduceMin" : "ReduceSum";
}

// The functions fetch a free event id of their pipe object; without other users that is 0.
void order(Pipe from, Pipe to, Site site) {
  machine().set_flag(from, to, 0, site);
  machine().wait_flag(from, to, 0, site);
}

void publish_scalar(Site site) {
  order(Pipe::kS, Pipe::kV, site);
  order(Pipe::kS, Pipe::kMte3, site);
}

Lanes masked(uint64_t low, uint64_t high, int64_t repeats) {
  Lanes lanes;
  lanes.own_mask = true;
  lanes.low = low;
  lanes.high = high;
  lanes.repeats = repeats;
  return lanes;
}

Lanes first_lanes(int64_t count) { return masked(ones(count), ones(count - 64), 1); }

// The values of `count` pairs of value and index: every second lane.
Lanes pair_values(int64_t count, int64_t repeats) {
  constexpr uint64_t kEven = 0x5555555555555555u;
  return masked(kEven & ones(2 * count), kEven & ones(2 * count - 64), repeats);
}

class Passes {
 public:
  Passes(const ReduceAll& reduce, Site site)
      : r_(reduce),
        site_(site),
        bytes_(bits_of(reduce.src.dtype) / 8),
        lanes_(kRepeatBytes / bytes_) {}

  void extreme();
  void sum();
  void sum_counted();

 private:
  void pass(const Operand& dst, const Operand& src, const Lanes& lanes, int64_t repeat_step) {
    vector_whole_reduce(name_of(r_.op), r_.op, ReduceResult::kValueIndex, dst, src, lanes, 1,
                        {1, repeat_step}, site_);
  }
  // Over all repeats into the temporary, one result behind the other.
  void first_pass(int64_t result_bytes) {
    for (int64_t done = 0; done < r_.lanes.repeats; done += kMaxRepeats) {
      const int64_t count = std::min(kMaxRepeats, r_.lanes.repeats - done);
      pass(r_.tmp.plus_bytes(done * result_bytes),
           r_.src.plus_bytes(done * r_.repeat_step * kBlockBytes),
           masked(r_.lanes.low, r_.lanes.high, count), r_.repeat_step);
    }
    machine().barrier(Pipe::kV, site_, /*written=*/false);
  }
  // Pairs to fewer pairs; returns how many.
  int64_t pair_pass(const Operand& dst, const Operand& src, int64_t pairs) {
    const int64_t per_repeat = lanes_ / 2;
    const int64_t full = pairs / per_repeat, rest = pairs % per_repeat;
    if (full > 0) pass(dst, src, pair_values(per_repeat, full), 8);
    if (rest > 0) {
      pass(dst.plus_bytes(full * 2 * bytes_), src.plus_bytes(full * kRepeatBytes),
           pair_values(rest, 1), 8);
    }
    machine().barrier(Pipe::kV, site_, /*written=*/false);
    return full + (rest > 0 ? 1 : 0);
  }
  void copy_value(const Operand& to, const Operand& from) {
    uint32_t value = 0;
    scalar_load(from, &value, bytes_, site_);
    scalar_store(to, &value, bytes_, site_);
  }
  int64_t load_index(const Operand& pair, int64_t limit) {
    uint32_t index = 0;
    scalar_load(pair.plus_bytes(bytes_), &index, bytes_, site_);
    return index < limit ? index : 0;  // a defective kernel's garbage
  }
  int64_t aligned(int64_t bytes) const {
    return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  }
  void extreme_with_index();

  const ReduceAll& r_;
  Site site_;
  int bytes_;
  int64_t lanes_;
};

void Passes::extreme() {
  if (r_.lanes.repeats == 1 && r_.index) {
    return pass(r_.dst, r_.src, r_.lanes, r_.repeat_step);
  }
  if (r_.index) return extreme_with_index();
  if (r_.lanes.repeats == 1) {
    pass(r_.tmp, r_.src, r_.lanes, r_.repeat_step);
  } else {
    first_pass(2 * bytes_);
    int64_t pairs = pair_pass(r_.tmp, r_.tmp, r_.lanes.repeats);
    while (pairs > lanes_ / 2) pairs = pair_pass(r_.tmp, r_.tmp, pairs);
    pass(r_.tmp, r_.tmp, pair_values(pairs, 1), 8);
  }
  order(Pipe::kV, Pipe::kS, site_);
  copy_value(r_.dst, r_.tmp);
  publish_scalar(site_);
}

// Each pass keeps its results, since the index is found by going back through them.
void Passes::extreme_with_index() {
  const int64_t repeats = r_.lanes.repeats;
  first_pass(2 * bytes_);
  const Operand second = r_.tmp.plus_bytes(aligned(repeats * 2 * bytes_));
  const int64_t pairs = pair_pass(second, r_.tmp, repeats);
  int64_t in_second = 0;
  Operand best = second;
  if (pairs > 1) {
    best = second.plus_bytes(aligned(pairs * 2 * bytes_));
    pass(best, second, pair_values(std::min(pairs, lanes_ / 2), 1), 8);
  }
  order(Pipe::kV, Pipe::kS, site_);
  if (pairs > 1) in_second = load_index(best, lanes_) / 2;
  const int64_t lane = load_index(second.plus_bytes(in_second * 2 * bytes_), lanes_);
  const int64_t pair = std::min(in_second * (lanes_ / 2) + lane / 2, repeats - 1);
  const int64_t index = load_index(r_.tmp.plus_bytes(pair * 2 * bytes_), lanes_) +
                        pair * r_.repeat_step * kBlockBytes / bytes_;
  copy_value(r_.dst, best);
  const auto stored = static_cast<uint32_t>(index);
  scalar_store(r_.dst.plus_bytes(bytes_), &stored, bytes_, site_);
  publish_scalar(site_);
}

// Repeats with a mask: the sums of repeats are summed as a tree too.
void Passes::sum() {
  const int64_t repeats = r_.lanes.repeats;
  first_pass(bytes_);
  int64_t left = repeats;
  if (repeats > 1) {
    Lanes all;
    all.counted = true;
    all.count = repeats;
    pass(r_.tmp, r_.tmp, all, 8);
    machine().barrier(Pipe::kV, site_, /*written=*/false);
    left = (repeats + lanes_ - 1) / lanes_;
  }
  if (left > 1) return pass(r_.dst, r_.tmp, first_lanes(left), 8);
  order(Pipe::kV, Pipe::kS, site_);
  copy_value(r_.dst, r_.tmp);
  publish_scalar(site_);
}

template <typename Format>
ASCSIM_HOT uint32_t sum_of_repeats(const VectorPlan& plan, const uint8_t* src) {
  constexpr int kLanes = RepeatLanes<Format>::kLanes;
  RepeatLanes<Format> lanes;
  float total = 0;
  for (int64_t repeat = 0; repeat < plan.repeats; ++repeat) {
    lanes.load(plan, repeat, src, Steps{});
    float sum;
    if (lanes.all()) {
      combine_groups(ReduceOp::kSum, lanes, kLanes);
      sum = lanes.values[0];
    } else {
      sum = tree_sum(lanes, 0, kLanes);
    }
    total = repeat == 0 ? sum : rounded_sum<Format>(total, sum);
  }
  const auto stored = Format::store(total);
  uint32_t bits = 0;
  std::memcpy(&bits, &stored, sizeof(stored));
  return bits;
}

// A number of elements: a tree in each repeat, and the repeats one after the other in a register
// that the scalar unit stores. The temporary is not used.
void Passes::sum_counted() {
  uint32_t bits = 0;
  {
    Instruction i(Pipe::kV, "ReduceSum", site_);
    const VectorPlan plan = plan_lanes(i, r_.lanes, bytes_);
    if (plan.repeats == 0) return;
    i.require_aligned(r_.src, kBlockBytes, "src");
    i.require_aligned(r_.dst, bytes_, "dst");
    declare_operand(plan, r_.src, bytes_, Steps{}, [&](const Region& reg) { i.reads(reg); });
    VectorWork work;
    work.op = VectorClass::kWholeReduceSum;
    work.dtype = r_.src.dtype;
    work.repeats = static_cast<uint32_t>(plan.repeats);
    work.elements = static_cast<uint32_t>(plan.elements);
    work.src0 = work_operand(r_.src, Steps{});
    i.work = work;
    if (i.begin(r_.src.dtype)) {
      const uint8_t* src = machine().pointer(r_.src);
      bits = r_.src.dtype == DType::kFp32 ? sum_of_repeats<Fp32>(plan, src)
                                          : sum_of_repeats<Fp16>(plan, src);
    }
  }
  order(Pipe::kV, Pipe::kS, site_);
  scalar_store(r_.dst, &bits, bytes_, site_);
  publish_scalar(site_);
}

// A number of elements, maximum or minimum: whole repeats first, then the rest, then both.
void extreme_counted(ReduceAll r, Site site) {
  const int bytes = bits_of(r.src.dtype) / 8;
  const int64_t per_repeat = kRepeatBytes / bytes;
  const int64_t count = r.lanes.count;
  const int64_t whole = count / per_repeat, rest = count % per_repeat;
  r.lanes = whole == 0 ? first_lanes(rest) : masked(ones(per_repeat), ones(per_repeat - 64), whole);
  Passes(r, site).extreme();
  if (whole == 0 || rest == 0) return;
  const auto load = [&](int element) {
    uint32_t value = 0;
    scalar_load(r.dst.plus_bytes(element * bytes), &value, bytes, site);
    return value;
  };
  order(Pipe::kV, Pipe::kS, site);
  uint32_t values[2], indices[2] = {0, 0};
  values[0] = load(0);
  if (r.index) indices[0] = load(1);
  ReduceAll tail = r;
  tail.src = r.src.plus_bytes(whole * kRepeatBytes);
  tail.lanes = first_lanes(rest);
  Passes(tail, site).extreme();
  order(Pipe::kV, Pipe::kS, site);
  values[1] = load(0);
  if (r.index) indices[1] = static_cast<uint32_t>(load(1) + whole * per_repeat);
  for (int n = 0; n < 2; ++n) {
    scalar_store(r.tmp.plus_bytes(n * bytes), &values[n], bytes, site);
  }
  order(Pipe::kS, Pipe::kV, site);
  ReduceAll both = r;
  both.src = r.tmp;
  both.lanes = first_lanes(2);
  Passes(both, site).extreme();
  if (!r.index) return;
  order(Pipe::kV, Pipe::kS, site);
  const uint32_t& index = indices[load(1) == 1 ? 1 : 0];
  scalar_store(r.dst.plus_bytes(bytes), &index, bytes, site);
  publish_scalar(site);
}

}  // namespace

void vector_reduce_all(const ReduceAll& reduce, Site site) {
  if (reduce.src.dtype != DType::kFp16 && reduce.src.dtype != DType::kFp32) {
    Instruction i(Pipe::kV, name_of(reduce.op), site);
    i.require(false, Check::kParameter,
              [&] { return std::string(name_of(reduce.src.dtype)) + ", allowed fp16 and fp32"; });
    i.begin(reduce.src.dtype);
    return;
  }
  const Lanes& lanes = reduce.lanes;
  if (lanes.counted) {
    if (lanes.count <= 0) return;
    if (reduce.op != ReduceOp::kSum) return extreme_counted(reduce, site);
    return Passes(reduce, site).sum_counted();
  }
  if (!lanes.own_mask) return Passes(reduce, site).sum_counted();  // ReduceSum<T, false>
  if (lanes.repeats <= 0 || (lanes.low == 0 && lanes.high == 0)) return;
  Passes passes(reduce, site);
  return reduce.op == ReduceOp::kSum ? passes.sum() : passes.extreme();
}

}  // namespace ascsim
