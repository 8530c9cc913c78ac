#include "ops/vector_elementwise.h"

#include <algorithm>

#include "ops/vector_overlap.h"
#include "ops/vector_written.h"

namespace ascsim {

namespace {

int bytes_of_lane(const Elementwise& e) {
  int bits = bits_of(e.dst.at.dtype);
  for (int s = 0; s < e.source_count; ++s) {
    bits = std::max(bits, bits_of(e.sources[static_cast<size_t>(s)].at.dtype));
  }
  return std::max(bits / 8, 1);
}

void check_operands(Instruction& i, const Elementwise& e) {
  const auto check = [&](const ElementOperand& operand) {
    require_in_ub(i, operand);
    require_steps(i, operand, e.limits);
    i.require_aligned(operand.at, kBlockBytes, operand.name);
  };
  check(e.dst);
  for (int s = 0; s < e.source_count; ++s) check(e.sources[static_cast<size_t>(s)]);
  if (e.scalar_limit < 0) return;
  i.require(e.scalar_value >= 0 && e.scalar_value <= e.scalar_limit, Check::kParameter, [&] {
    return "distance " + std::to_string(e.scalar_value) + ", allowed 0 to " +
           std::to_string(e.scalar_limit);
  });
}

OperandWalk walk_of(const VectorPlan& plan, const ElementOperand& o) {
  return OperandWalk(plan, bits_of(o.at.dtype), o.steps);
}

void declare(Instruction& i, const Elementwise& e, const VectorPlan& plan) {
  const auto read = [&](const Region& r) { e.moves ? i.moves_from(r) : i.reads(r); };
  for (int s = 0; s < e.source_count; ++s) {
    const ElementOperand& source = e.sources[static_cast<size_t>(s)];
    declare_lanes(plan, source.at, walk_of(plan, source), read);
  }
  const OperandWalk dst = walk_of(plan, e.dst);
  if (e.uses_dst) declare_lanes(plan, e.dst.at, dst, read);
  declare_lanes(plan, e.dst.at, dst,
                [&](const Region& r) { e.moves ? i.moves_to(r) : i.writes(r); });
}

VectorWork work_of(const Elementwise& e, const VectorPlan& plan) {
  VectorWork work;
  work.op = e.price;
  work.dtype = e.dst.at.dtype;
  work.repeats = static_cast<uint32_t>(plan.repeats);
  work.elements = static_cast<uint32_t>(plan.elements);
  const auto operand = [&](const ElementOperand& o) {
    VectorOperand known = work_operand(o.at, o.steps);
    // The narrower side of a cast covers fewer blocks.
    known.blocks =
        static_cast<uint8_t>(std::max<int64_t>(1, bytes_of(o.at.dtype, plan.lanes) / kBlockBytes));
    return known;
  };
  work.dst = operand(e.dst);
  if (e.source_count > 0) {
    const ElementOperand& a = e.sources[0];
    work.src0 = operand(a);
    if (bits_of(a.at.dtype) > bits_of(work.dtype)) work.dtype = a.at.dtype;
  }
  if (e.source_count > 1) work.src1 = operand(e.sources[1]);
  if (e.uses_dst && e.source_count == 1) work.src1 = work.dst;
  return work;
}

// Calls the loop with runs that are as long as strides and mask allow.
class Runner {
 public:
  Runner(const Elementwise& e, const VectorPlan& plan)
      : e_(e), plan_(plan), dst_(walk_of(plan, e.dst)), a_(source(0)), b_(source(1)) {
    Machine& m = machine();
    to_ = m.pointer(e.dst.at);
    x_ = m.pointer(operand(0).at);
    y_ = m.pointer(operand(1).at);
  }

  void all() {
    const bool full = leading_lanes(plan_.low, plan_.high) == plan_.lanes;
    if (full && dst_.contiguous() && a_.contiguous() && b_.contiguous()) {
      call(0, 0, plan_.elements);
      return;
    }
    part(plan_.low, plan_.high, 0, plan_.whole());
    if (plan_.has_tail) part(plan_.tail_low, plan_.tail_high, plan_.whole(), plan_.repeats);
  }

 private:
  // A missing source is dst: its pointer is passed and not read.
  const ElementOperand& operand(int s) const {
    return s < e_.source_count ? e_.sources[static_cast<size_t>(s)] : e_.dst;
  }
  OperandWalk source(int s) const { return walk_of(plan_, operand(s)); }

  void part(uint64_t low, uint64_t high, int64_t first, int64_t end) {
    int per_run = plan_.lanes;
    for (const OperandWalk* w : {&dst_, &a_, &b_}) {
      if (!w->dense()) per_run = std::min(per_run, w->lanes_per_block);
    }
    size_t count = 0;
    for_each_lane_run(low, high, plan_.lanes, per_run, [&](int lane, int n) {
      lane_[count] = static_cast<uint8_t>(lane);
      length_[count++] = static_cast<uint8_t>(n);
    });
    for (int64_t r = first; r < end; ++r) {
      for (size_t k = 0; k < count; ++k) call(r, lane_[k], length_[k]);
    }
  }

  void call(int64_t repeat, int lane, int64_t n) {
    uint8_t* to = to_ + dst_.offset(repeat, lane);
    const uint8_t* x = x_ + a_.offset(repeat, lane);
    if (e_.moves) {
      machine().move(e_.dst.at.plus_bytes(to - to_), e_.sources[0].at.plus_bytes(x - x_),
                     dst_.bytes(n));
    } else {
      e_.run(to, x, y_ + b_.offset(repeat, lane), n, e_.scalar);
    }
  }

  const Elementwise& e_;
  const VectorPlan& plan_;
  OperandWalk dst_, a_, b_;
  uint8_t* to_;
  const uint8_t* x_;
  const uint8_t* y_;
  std::array<uint8_t, 256> lane_, length_;
};

}  // namespace

void elementwise(const Elementwise& e, const Lanes& lanes, Site site) {
  if (on_aic()) return;
  Instruction i(Pipe::kV, e.name, site);
  i.require(e.refusal.empty(), Check::kParameter, [&] { return e.refusal; });
  require_dtype(i, e.types, e.dst.at.dtype);
  check_operands(i, e);
  const VectorPlan plan = plan_lanes(i, lanes, bytes_of_lane(e), e.counts);
  if (i.valid()) {
    require_dst_blocks(i, plan, e.dst);
    check_overlap(i, e, plan);
    declare(i, e, plan);
    i.work = work_of(e, plan);
  }
  WrittenLanes written;
  if (!e.moves && i.valid()) written.find(e, plan);
  const bool execute = i.begin(e.dst.at.dtype);
  written.mark();
  if (execute && plan.elements > 0) Runner(e, plan).all();
}

bool on_aic() { return machine().current().kind() == CoreKind::kAic; }

std::string DTypes::text() const {
  std::string text;
  for (int d = 1; d < 32; ++d) {
    if (((bits_ >> d) & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += name_of(static_cast<DType>(d));
  }
  return text;
}

void require_dtype(Instruction& i, const DTypes& allowed, DType dtype) {
  i.require(allowed.has(dtype), Check::kParameter, [&] {
    return std::string(i.operation()) + " of " + name_of(dtype) + ", allowed " + allowed.text();
  });
}

void require_in_ub(Instruction& i, const ElementOperand& operand) {
  i.require(operand.at.memory == Memory::kUb, Check::kParameter, [&] {
    return std::string(operand.name) + " is in " + name_of(operand.at.memory) +
           ", the vector unit works on UB";
  });
}

void require_steps(Instruction& i, const ElementOperand& operand, StepLimits limits) {
  const auto check = [&](const char* field, int64_t value, int64_t limit) {
    i.require(value >= 0 && value <= limit, Check::kNarrowing, [&] {
      return std::string(operand.name) + " " + field + " stride " + std::to_string(value) +
             ", allowed 0 to " + std::to_string(limit);
    });
  };
  check("block", operand.steps.block, limits.block);
  check("repeat", operand.steps.repeat, limits.repeat);
}

// "高维切分" page: a dst block stride of 0 is not supported. It cannot matter to lanes of one
// block.
void require_dst_blocks(Instruction& i, const VectorPlan& plan, const ElementOperand& dst) {
  if (dst.steps.block != 0 || plan.elements == 0) return;
  const int per_block = static_cast<int>(kBlockBytes) * 8 / bits_of(dst.at.dtype);
  const uint64_t low = plan.whole() > 0 ? plan.low : plan.tail_low;
  const uint64_t high = plan.whole() > 0 ? plan.high : plan.tail_high;
  const bool beyond = (low & ~ones(per_block)) != 0 || (high & ~ones(per_block - 64)) != 0;
  i.require(!beyond, Check::kParameter,
            [&] { return std::string(dst.name) + " block stride 0 is undefined"; });
}

}  // namespace ascsim
