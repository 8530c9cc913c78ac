#include "ops/vector_plan.h"

namespace ascsim {

namespace {

// More than any operand in UB can have, little enough that byte counts stay in 32 bits.
constexpr int64_t kMostElements = int64_t{1} << 24;

std::string writer_text(const ScalarState& state) {
  return std::string(state.mask_writer) + " at " + state.mask_site.file + ":" +
         std::to_string(state.mask_site.line);
}

// The kernel asked for a mask or a mode, and an instruction with one of its own came between: count
// forms switch to counter mode and end with all lanes on in normal mode, and a mask argument stays
// in the register ("掩码" page; ResetMask and SetMaskNorm at the end of each count form).
void check_mask(Instruction& i, const Lanes& given, int lanes) {
  const ScalarState& s = i.core().state;
  if (given.counted) return;
  i.require(s.mask_counter == s.asked_counter, Check::kState, [&] {
    return "the kernel has switched to counter mode, but " + writer_text(s) +
           " has switched back to normal mode since";
  });
  if (given.own_mask || !i.valid()) return;
  const bool same = s.mask_counter ? s.mask_low == s.asked_low
                                   : ((s.mask_low ^ s.asked_low) & ones(lanes)) == 0 &&
                                         ((s.mask_high ^ s.asked_high) & ones(lanes - 64)) == 0;
  i.require(same, Check::kState, [&] {
    const char* asked = s.mask_preset ? "the mask that the kernel has set" : "all lanes";
    return std::string("uses ") + asked + ", but " + writer_text(s) + " has left another mask";
  });
}

void leave_mask(Instruction& i, const Lanes& given) {
  ScalarState& s = i.core().state;
  if (!given.counted && !given.own_mask) return;
  s.mask_writer = i.operation();
  s.mask_site = i.site();
  if (given.counted) {
    s.mask_low = s.mask_high = ~uint64_t{0};
    s.mask_counter = false;
  } else {
    s.mask_low = given.low;
    s.mask_high = given.high;
  }
}

void plan_total(VectorPlan* plan, int64_t total) {
  plan->low = ones(plan->lanes);
  plan->high = ones(plan->lanes - 64);
  plan->repeats = (total + plan->lanes - 1) / plan->lanes;
  const int64_t rest = total % plan->lanes;
  plan->has_tail = rest != 0;
  plan->tail_low = ones(rest);
  plan->tail_high = ones(rest - 64);
  plan->elements = total;
}

void plan_masked(VectorPlan* plan, int64_t repeats, uint64_t low, uint64_t high) {
  plan->repeats = repeats;
  plan->low = low & ones(plan->lanes);
  plan->high = high & ones(plan->lanes - 64);
  plan->elements = repeats * (__builtin_popcountll(plan->low) + __builtin_popcountll(plan->high));
  if (plan->elements == 0) plan->repeats = 0;
}

}  // namespace

VectorPlan plan_lanes(Instruction& i, const Lanes& given, int bytes, Counts counts) {
  VectorPlan plan;
  plan.lanes = static_cast<int>(kRepeatBytes) / bytes;
  const ScalarState& state = i.core().state;
  check_mask(i, given, plan.lanes);
  const bool counter = given.counted || state.mask_counter;
  i.require(!(state.mask_counter && given.own_mask && given.leading), Check::kState, [] {
    return "a number of lanes as mask in counter mode, where the mask register holds a number of "
           "elements: pass mask[] = {elements, 0}";
  });
  i.require(given.counted || (given.repeats >= 0 && given.repeats <= 255), Check::kNarrowing,
            [&] { return "repeat " + std::to_string(given.repeats) + ", allowed 0 to 255"; });
  const uint64_t low = given.own_mask ? given.low : state.mask_low;
  const uint64_t high = given.own_mask ? given.high : state.mask_high;
  if (counter && i.valid()) {
    const bool fits = given.counted ? given.count >= 0 && given.count <= kMostElements
                                    : low <= static_cast<uint64_t>(kMostElements);
    i.require(fits, Check::kParameter, [&] {
      return (given.counted ? std::to_string(given.count) : std::to_string(low)) +
             " elements are not in the range of UB";
    });
  }
  if (i.valid()) {
    const int64_t total = given.counted ? given.count : static_cast<int64_t>(low);
    if (counter && counts == Counts::kEachRepeat) {
      plan_masked(&plan, given.repeats, ones(total), ones(total - 64));
    } else if (counter) {
      plan_total(&plan, total);
    } else {
      plan_masked(&plan, given.repeats, low, high);
    }
  }
  leave_mask(i, given);
  return plan;
}

}  // namespace ascsim
