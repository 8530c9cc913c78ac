#include "ops/vector_overlap.h"

#include <vector>

#include "ascsim/soc.h"

namespace ascsim {

namespace {

struct Blocks {
  const ElementOperand& operand;
  OperandWalk walk;

  Blocks(const VectorPlan& plan, const ElementOperand& o)
      : operand(o), walk(plan, bits_of(o.at.dtype), o.steps) {}

  int64_t first() const { return static_cast<int64_t>(operand.at.address); }
  int64_t end(const VectorPlan& plan) const {
    return first() + (plan.repeats - 1) * walk.repeat_stride +
           (walk.blocks - 1) * walk.block_stride + kBlockBytes;
  }
  bool active(int block, uint64_t low, uint64_t high) const {
    const int lane = block * walk.lanes_per_block;
    const uint64_t in_low = lane < 64 ? low >> lane : 0;
    const uint64_t in_high = lane >= 64 ? high >> (lane - 64) : 0;
    return ((in_low | in_high) & ones(walk.lanes_per_block)) != 0;
  }
  // Calls visit(repeat, block, number of the 32-byte block in UB).
  template <typename Visit>
  void for_each(const VectorPlan& plan, Visit&& visit) const {
    for (int64_t r = 0; r < plan.repeats; ++r) {
      for (int b = 0; b < walk.blocks; ++b) {
        if (!active(b, plan.low_of(r), plan.high_of(r))) continue;
        visit(r, b, (first() + r * walk.repeat_stride + b * walk.block_stride) / kBlockBytes);
      }
    }
  }
};

bool same_place(const Blocks& dst, const Blocks& src, const VectorPlan& plan) {
  const Steps& s = src.operand.steps;
  const Steps& d = dst.operand.steps;
  const bool apart = plan.repeats <= 1 || d.repeat >= (dst.walk.blocks - 1) * d.block + 1;
  return dst.first() == src.first() && dst.walk.bits == src.walk.bits && d.block == s.block &&
         d.repeat == s.repeat && d.block > 0 && apart;
}

bool may_accumulate(const Elementwise& e, int source, DType dtype) {
  const bool type = dtype == DType::kFp16 || dtype == DType::kFp32 || dtype == DType::kInt32;
  const ElementOperand& s = e.sources[static_cast<size_t>(source)];
  return e.accumulates && source == 1 && type && s.at.address == e.dst.at.address &&
         (s.steps.repeat == 0 || e.dst.steps.repeat == 0);
}

struct Writer {
  int64_t repeat = -1;
  int block = 0;
};

}  // namespace

void check_overlap(Instruction& i, const Elementwise& e, const VectorPlan& plan) {
  if (plan.elements == 0) return;
  const Blocks dst(plan, e.dst);
  for (int s = 0; s < e.source_count && i.valid(); ++s) {
    const Blocks src(plan, e.sources[static_cast<size_t>(s)]);
    if (dst.first() >= src.end(plan) || src.first() >= dst.end(plan)) continue;
    if (same_place(dst, src, plan)) continue;
    if (dst.end(plan) > Soc::kUbBytes || src.end(plan) > Soc::kUbBytes) return;  // reported later
    std::vector<Writer> writers(static_cast<size_t>(Soc::kUbBytes / kBlockBytes));
    dst.for_each(plan, [&](int64_t r, int b, int64_t at) {
      Writer& w = writers[static_cast<size_t>(at)];
      if (w.repeat < 0) w = {r, b};
    });
    const bool chain = may_accumulate(e, s, e.dst.at.dtype);
    const bool narrows = dst.walk.bits < src.walk.bits;
    const bool same_size = dst.walk.bits == src.walk.bits;
    src.for_each(plan, [&](int64_t r, int b, int64_t at) {
      const Writer& w = writers[static_cast<size_t>(at)];
      if (w.repeat < 0 || w.repeat > r || !i.valid()) return;
      const bool earlier = w.repeat < r;
      const bool ok = earlier ? chain && w.block == b : narrows || (same_size && w.block == b);
      i.require(ok, Check::kParameter, [&] {
        const std::string text = std::string(src.operand.name) + " and dst overlap at UB byte " +
                                 std::to_string(at * kBlockBytes);
        return earlier ? text + ": repeat " + std::to_string(r) + " reads what repeat " +
                             std::to_string(w.repeat) + " writes"
                       : text + ": within a repeat they must be the same or disjoint";
      });
    });
  }
}

}  // namespace ascsim
