// Select ("Select" page).
#include <cstring>
#include <string>

#include "ascsim/ops_vector_compare.h"
#include "ascsim/soc.h"
#include "ops/vector_defined.h"

namespace ascsim {

namespace {

constexpr int64_t kTemporaryBytes = 8 * 1024;  // at Soc::kUbTemporaryBegin

// Loads the compare mask register from the mask tensor.
void prepare_register(const Selection& s, Site site) {
  {
    Instruction i(Pipe::kV, "Select", site);
    i.require_aligned(s.mask, kBlockBytes, "selMask");
    const int64_t bytes = kRepeatBytes * 8 / bits_of(s.src0.dtype) / 8;  // that have an effect
    i.reads(region(s.mask, bytes));
    VectorWork work;
    work.op = VectorClass::kCopy;
    work.dtype = s.mask.dtype;
    work.repeats = 1;
    i.work = work;
    if (i.begin(DType::kUint64)) {
      uint64_t words[2] = {0, 0};
      std::memcpy(words, machine().pointer(s.mask), static_cast<size_t>(bytes));
      i.core().state.compare_low = words[0];
      i.core().state.compare_high = words[1];
    }
  }
  machine().barrier(Pipe::kV, site);
}

// The scalar, or the address of the mask tensor, goes to the register by way of reserved UB, all of
// which the page says is overwritten.
void prepare_temporary(const Selection& s, Site site) {
  Operand temporary;
  temporary.memory = Memory::kUb;
  temporary.address = static_cast<uint64_t>(Soc::kUbTemporaryBegin);
  {
    Instruction i(Pipe::kV, "Select (reserved UB)", site);
    i.of_library();
    i.moves_to(region(temporary, kTemporaryBytes - Soc::kReservedBytes));
    VectorWork work;
    work.op = VectorClass::kDuplicate;
    work.dtype = s.src0.dtype;
    work.repeats = 1;
    work.elements = 32;
    work.dst = work_operand(temporary, Steps{});
    i.work = work;
    if (i.begin(DType::kUint64)) {
      machine().poison(temporary, kTemporaryBytes - Soc::kReservedBytes);
    }
    i.core().state.compare_low = s.mode == SelectMode::kScalar ? s.scalar_bits : s.mask.address;
  }
  machine().barrier(Pipe::kV, site);
}

class Choice {
 public:
  Choice(const Selection& s, const ScalarState& state)
      : words_{state.compare_low, state.compare_high},
        bits_(s.mode == SelectMode::kRegister ? nullptr : machine().pointer(s.mask)) {}
  bool first(int64_t repeat, int lane, int lanes) const {
    if (bits_ == nullptr) return ((words_[lane / 64] >> (lane % 64)) & 1) != 0;
    const int64_t bit = repeat * lanes + lane;
    return ((bits_[bit / 8] >> (bit % 8)) & 1) != 0;
  }

 private:
  uint64_t words_[2];
  const uint8_t* bits_;
};

template <typename Visit>
void for_each_lane(const VectorPlan& plan, Visit&& visit) {
  for (int64_t r = 0; r < plan.repeats; ++r) {
    for_each_lane_run(plan.low_of(r), plan.high_of(r), plan.lanes, plan.lanes,
                      [&](int lane, int n) {
                        for (int l = lane; l < lane + n; ++l) visit(r, l);
                      });
  }
}

struct Sides {
  LaneOperand dst, src0, src1;
  bool scalar;
};

// A lane is written if the one chosen was, and the mask.
void refine_chosen(const VectorPlan& plan, const Selection& s, const Choice& choice,
                   const Sides& sides) {
  const int per_block = static_cast<int>(kBlockBytes) / sides.dst.bytes;
  int64_t offset = 0;
  const auto written = [&](const Operand& at, int64_t bytes) {
    const Shadow& shadow = machine().shadow(at, &offset);
    return shadow.first_undefined(offset, bytes) < 0;
  };
  for_each_lane(plan, [&](int64_t r, int lane) {
    const bool first = choice.first(r, lane, plan.lanes);
    bool known =
        first || !sides.scalar
            ? written((first ? sides.src0 : sides.src1).lane(r, lane, per_block), sides.dst.bytes)
            : true;
    if (s.mode != SelectMode::kRegister) {
      known = known && written(s.mask.plus_bytes((r * plan.lanes + lane) / 8), 1);
    }
    machine()
        .shadow(sides.dst.lane(r, lane, per_block), &offset)
        .set(offset, sides.dst.bytes, known);
  });
}

template <typename Word>
void choose(const VectorPlan& plan, const Choice& choice, const Sides& sides, uint32_t scalar) {
  constexpr int kPerBlock = static_cast<int>(kBlockBytes / sizeof(Word));
  uint8_t* dst = machine().pointer(sides.dst.at);
  const uint8_t* src0 = machine().pointer(sides.src0.at);
  const uint8_t* src1 = sides.scalar ? nullptr : machine().pointer(sides.src1.at);
  for_each_lane(plan, [&](int64_t r, int lane) {
    const auto at = [&](const LaneOperand& o) {
      return (r * o.steps.repeat + lane / kPerBlock * o.steps.block) * kBlockBytes +
             lane % kPerBlock * static_cast<int64_t>(sizeof(Word));
    };
    auto value = static_cast<Word>(scalar);
    if (choice.first(r, lane, plan.lanes)) {
      std::memcpy(&value, src0 + at(sides.src0), sizeof(Word));
    } else if (src1 != nullptr) {
      std::memcpy(&value, src1 + at(sides.src1), sizeof(Word));
    }
    std::memcpy(dst + at(sides.dst), &value, sizeof(Word));
  });
}

void select(const Selection& s, Site site) {
  Instruction i(Pipe::kV, "Select", site);
  const int bytes = bits_of(s.dst.dtype) / 8;
  const VectorPlan plan = plan_lanes(i, s.lanes, bytes);
  const bool scalar = s.mode == SelectMode::kScalar;
  const bool tensor_mask = s.mode != SelectMode::kRegister;
  i.require_aligned(s.dst, kBlockBytes, "dst");
  i.require_aligned(s.src0, kBlockBytes, "src0");
  if (!scalar) i.require_aligned(s.src1, kBlockBytes, "src1");
  if (tensor_mask) i.require_aligned(s.mask, kBlockBytes, "selMask");
  declare_operand(plan, s.src0, bytes, s.src0_steps, [&](const Region& r) { i.reads(r); });
  if (!scalar) {
    declare_operand(plan, s.src1, bytes, s.src1_steps, [&](const Region& r) { i.reads(r); });
  }
  if (tensor_mask && plan.repeats > 0) {
    const uint64_t low = plan.low_of(plan.repeats - 1), high = plan.high_of(plan.repeats - 1);
    const int last = high != 0  ? 128 - __builtin_clzll(high)
                     : low != 0 ? 64 - __builtin_clzll(low)
                                : 0;
    i.reads(region(s.mask, ((plan.repeats - 1) * plan.lanes + last + 7) / 8));
  }
  declare_operand(plan, s.dst, bytes, s.dst_steps, [&](const Region& r) { i.writes(r); });
  VectorWork work;
  work.op = VectorClass::kSelect;
  work.dtype = s.dst.dtype;
  work.repeats = static_cast<uint32_t>(plan.repeats);
  work.elements = static_cast<uint32_t>(plan.elements);
  work.dst = work_operand(s.dst, s.dst_steps);
  work.src0 = work_operand(s.src0, s.src0_steps);
  if (!scalar) work.src1 = work_operand(s.src1, s.src1_steps);
  i.work = work;
  i.marks_results = true;
  const bool execute = i.begin(s.dst.dtype);
  if (!execute && !i.used_unwritten()) return;
  const Choice choice(s, i.core().state);
  const Sides sides{{s.dst, bytes, s.dst_steps},
                    {s.src0, bytes, s.src0_steps},
                    {s.src1, bytes, s.src1_steps},
                    scalar};
  if (i.used_unwritten()) refine_chosen(plan, s, choice, sides);
  if (!execute) return;
  const auto value = static_cast<uint32_t>(i.core().state.compare_low);
  if (bytes == 4) return choose<uint32_t>(plan, choice, sides, value);
  choose<uint16_t>(plan, choice, sides, value);
}

}  // namespace

void vector_select(const Selection& given, Site site) {
  Selection s = given;
  {
    const bool floating = s.dst.dtype == DType::kFp16 || s.dst.dtype == DType::kFp32;
    const bool reserved = machine().options().reserved_temporaries;
    if (!floating || !reserved) {
      Instruction i(Pipe::kV, "Select", site);
      i.require(floating, Check::kParameter,
                [&] { return std::string(name_of(s.dst.dtype)) + ", allowed fp16 and fp32"; });
      // The header forbids it with --cce-disable-asc-reserved-ubuf, whatever the mode.
      i.require(reserved, Check::kParameter,
                [] { return "needs the reserved UB at 184 KiB, which the kernel has for itself"; });
      i.begin(s.dst.dtype);
      return;
    }
  }
  const ScalarState& state = machine().current().state;
  if (!s.prepared) {
    s.mode == SelectMode::kRegister ? prepare_register(s, site) : prepare_temporary(s, site);
  } else if (s.mode == SelectMode::kTensor) {
    s.mask = Operand{};
    s.mask.dtype = DType::kUint8;
    s.mask.address = state.compare_low & 0xffffffffu;
  }
  select(s, site);
  // The count forms with two tensors end with a barrier.
  if (s.lanes.counted && s.mode != SelectMode::kScalar) machine().barrier(Pipe::kV, site);
}

}  // namespace ascsim
