// Compare, CompareScalar, and the compare mask register.
#include <algorithm>
#include <cstring>
#include <string>

#include "ascsim/ops_vector_compare.h"
#include "ops/vector_defined.h"
#include "ops/vector_loops.h"

namespace ascsim {

namespace {

// Count forms of the library issue this many repeats at a time.
constexpr int64_t kRepeatsAtOnce = 252;

// Anything compared with a NaN is false, NE too: "Memory矢量计算接口边界值汇总", tables 30 and 31.
template <typename T>
bool holds(CompareOp op, T a, T b) {
  switch (op) {
    case CompareOp::kLess:
      return a < b;
    case CompareOp::kGreater:
      return a > b;
    case CompareOp::kEqual:
      return a == b;
    case CompareOp::kLessEqual:
      return a <= b;
    case CompareOp::kGreaterEqual:
      return a >= b;
    case CompareOp::kNotEqual:
      return a < b || a > b;
  }
  return false;
}

// Bits of up to 64 lanes from one block or several contiguous ones.
template <typename Format>
uint64_t compare_run(CompareOp op, const uint8_t* a, const uint8_t* b, bool scalar, int count) {
  uint64_t bits = 0;
  for (int l = 0; l < count; ++l) {
    typename Format::Stored x, y;
    std::memcpy(&x, a + static_cast<size_t>(l) * sizeof(x), sizeof(x));
    std::memcpy(&y, scalar ? b : b + static_cast<size_t>(l) * sizeof(y), sizeof(y));
    bits |= uint64_t{holds(op, Format::load(x), Format::load(y))} << l;
  }
  return bits;
}

uint64_t compare_block(CompareOp op, DType dtype, const uint8_t* a, const uint8_t* b, bool scalar) {
  switch (dtype) {
    case DType::kFp32:
      return compare_run<Fp32>(op, a, b, scalar, 8);
    case DType::kFp16:
      return compare_run<Fp16>(op, a, b, scalar, 16);
    case DType::kInt32:
      return compare_run<Int32>(op, a, b, scalar, 8);
    default:
      throw SimulatorBug(std::string("Compare of ") + name_of(dtype));
  }
}

void require_dtype(Instruction& i, CompareOp op, DType dtype, bool to_register) {
  const bool floating = dtype == DType::kFp16 || dtype == DType::kFp32;
  const bool equal32 = dtype == DType::kInt32 && op == CompareOp::kEqual && !to_register;
  i.require(floating || equal32, Check::kParameter, [&] {
    return std::string(name_of(dtype)) +
           (to_register ? ", allowed fp16 and fp32" : ", allowed fp16, fp32, and int32 with EQ");
  });
}

VectorPlan all_lanes(int64_t repeats, int bytes) {
  VectorPlan plan;
  plan.lanes = static_cast<int>(kRepeatBytes) / bytes;
  plan.repeats = repeats;
  plan.low = ones(plan.lanes);
  plan.high = ones(plan.lanes - 64);
  plan.elements = repeats * plan.lanes;
  return plan;
}

// A byte of results is written if its eight lanes were, in both sources.
void refine_bits(const Instruction& i, const VectorPlan& plan, const Comparison& c, int bytes) {
  if (!i.used_unwritten()) return;
  const int per_block = static_cast<int>(kBlockBytes) / bytes;
  int64_t offset = 0;
  const auto written = [&](const LaneOperand& o, int64_t r, int lane) {
    const Shadow& shadow = machine().shadow(o.lane(r, lane, per_block), &offset);
    return shadow.first_undefined(offset, int64_t{8} * bytes / (per_block < 8 ? 2 : 1)) < 0;
  };
  for (int64_t r = 0; r < plan.repeats; ++r) {
    for (int lane = 0; lane < plan.lanes; lane += 8) {
      const bool known = written({c.a, bytes, c.a_steps}, r, lane) &&
                         (c.scalar || written({c.b, bytes, c.b_steps}, r, lane));
      Shadow& to = machine().shadow(c.dst.plus_bytes((r * plan.lanes + lane) / 8), &offset);
      to.set(offset, 1, known);
    }
  }
}

void compare_repeats(const Comparison& c, Site site) {
  Instruction i(Pipe::kV, c.name, site);
  require_dtype(i, c.op, c.a.dtype, false);
  i.require(c.repeats >= 0 && c.repeats <= 255, Check::kNarrowing,
            [&] { return "repeat " + std::to_string(c.repeats) + ", allowed 0 to 255"; });
  i.require(!i.core().state.mask_counter, Check::kState, [] {
    return "in counter mode, for which the comparison into a tensor is not documented";
  });
  i.require_aligned(c.dst, kBlockBytes, "dst");
  i.require_aligned(c.a, kBlockBytes, "src0");
  if (!c.scalar) i.require_aligned(c.b, kBlockBytes, "src1");
  if (!i.valid()) {
    i.begin(c.a.dtype);
    return;
  }
  const int bytes = bits_of(c.a.dtype) / 8;
  const VectorPlan plan = all_lanes(c.repeats, bytes);
  declare_operand(plan, c.a, bytes, c.a_steps, [&](const Region& r) { i.reads(r); });
  if (!c.scalar) {
    declare_operand(plan, c.b, bytes, c.b_steps, [&](const Region& r) { i.reads(r); });
  }
  i.writes(region(c.dst, plan.elements / 8));
  VectorWork work;
  work.op = c.scalar ? VectorClass::kCompareScalar : VectorClass::kCompare;
  work.dtype = c.a.dtype;
  work.repeats = static_cast<uint32_t>(plan.repeats);
  work.elements = static_cast<uint32_t>(plan.elements);
  work.dst = work_operand(c.dst, {1, 0});
  work.dst.blocks = 1;
  work.src0 = work_operand(c.a, c.a_steps);
  if (!c.scalar) work.src1 = work_operand(c.b, c.b_steps);
  i.work = work;
  i.marks_results = true;
  const bool execute = i.begin(c.a.dtype);
  refine_bits(i, plan, c, bytes);
  if (!execute) return;
  uint8_t* to = machine().pointer(c.dst);
  const uint8_t* a = machine().pointer(c.a);
  const uint8_t* b =
      c.scalar ? reinterpret_cast<const uint8_t*>(&c.scalar_bits) : machine().pointer(c.b);
  const int block_bits = static_cast<int>(kBlockBytes) / bytes;
  for (int64_t r = 0; r < plan.repeats; ++r) {
    for (int64_t n = 0; n < kRepeatBytes / kBlockBytes; ++n, to += block_bits / 8) {
      const auto at = [&](Steps s) { return (r * s.repeat + n * s.block) * kBlockBytes; };
      const uint64_t bits = compare_block(c.op, c.a.dtype, a + at(c.a_steps),
                                          c.scalar ? b : b + at(c.b_steps), c.scalar);
      std::memcpy(to, &bits, static_cast<size_t>(block_bits / 8));  // little-endian
    }
  }
}

}  // namespace

void vector_compare(const Comparison& c, Site site) {
  if (!c.counted) return compare_repeats(c, site);
  const int64_t bytes = bits_of(c.a.dtype) / 8;
  const int64_t total = c.count * bytes;
  if (total % kRepeatBytes != 0 || total < 0) {
    Instruction i(Pipe::kV, c.name, site);
    i.require(false, Check::kParameter, [&] {
      return std::to_string(c.count) + " elements are " + std::to_string(total) +
             " bytes, must be a multiple of 256";
    });
    i.begin(c.a.dtype);
    return;
  }
  const int64_t repeats = total / kRepeatBytes;
  for (int64_t done = 0; done < repeats; done += kRepeatsAtOnce) {
    Comparison part = c;
    part.counted = false;
    part.repeats = std::min(kRepeatsAtOnce, repeats - done);
    part.a = c.a.plus_bytes(done * kRepeatBytes);
    part.b = c.b.plus_bytes(done * kRepeatBytes);
    part.dst = c.dst.plus_bytes(done * kRepeatBytes / bytes / 8);
    compare_repeats(part, site);
  }
}

void vector_compare_register(CompareOp op, const Operand& a, const Operand& b, const Lanes& lanes,
                             Steps a_steps, Steps b_steps, Site site) {
  Instruction i(Pipe::kV, "Compare", site);
  require_dtype(i, op, a.dtype, true);
  i.require_aligned(a, kBlockBytes, "src0");
  i.require_aligned(b, kBlockBytes, "src1");
  const int bytes = std::max(2, bits_of(a.dtype) / 8);
  const VectorPlan plan = plan_lanes(i, lanes, bytes);
  i.require(plan.repeats <= 1, Check::kState, [&] {
    return std::to_string(plan.elements) + " elements in counter mode, the register takes " +
           std::to_string(plan.lanes);
  });
  declare_operand(plan, a, bytes, a_steps, [&](const Region& r) { i.reads(r); });
  declare_operand(plan, b, bytes, b_steps, [&](const Region& r) { i.reads(r); });
  VectorWork work;
  work.op = VectorClass::kCompare;
  work.dtype = a.dtype;
  work.repeats = static_cast<uint32_t>(plan.repeats);
  work.elements = static_cast<uint32_t>(plan.elements);
  work.src0 = work_operand(a, a_steps);
  work.src1 = work_operand(b, b_steps);
  i.work = work;
  if (!i.begin(a.dtype) || plan.repeats == 0) return;
  const uint64_t on[2] = {plan.low_of(0), plan.high_of(0)};
  uint64_t found[2] = {0, 0};
  const int per_block = static_cast<int>(kBlockBytes) / bytes;
  for (int first = 0; first < plan.lanes; first += per_block) {
    const uint64_t wanted = on[first / 64] >> (first % 64) & ones(per_block);
    if (wanted == 0) continue;
    const auto at = [&](Steps s) { return first / per_block * s.block * kBlockBytes; };
    const uint64_t bits = compare_block(op, a.dtype, machine().pointer(a) + at(a_steps),
                                        machine().pointer(b) + at(b_steps), false);
    found[first / 64] |= (bits & wanted) << (first % 64);
  }
  // Lanes that are off keep their bit (inferred from masks elsewhere).
  ScalarState& state = i.core().state;
  state.compare_low = (state.compare_low & ~on[0]) | found[0];
  state.compare_high = (state.compare_high & ~on[1]) | found[1];
}

namespace {

VectorWork register_move(const Operand& at) {
  VectorWork work;
  work.op = VectorClass::kCopy;
  work.dtype = at.dtype;
  work.repeats = 1;
  work.elements = 4;
  return work;
}

constexpr int64_t kRegisterBytes = 16;
constexpr int64_t kRegisterRoom = 128;

}  // namespace

// The page asks for 128 bytes of room, eight times the register: what the rest holds afterwards is
// not documented.
void get_compare_mask(const Operand& dst, Site site) {
  Instruction i(Pipe::kV, "GetCmpMask", site);
  i.require_aligned(dst, kRegisterBytes, "dst");
  i.writes(region(dst, kRegisterBytes));
  const Operand rest = dst.plus_bytes(kRegisterBytes);
  i.moves_to(region(rest, kRegisterRoom - kRegisterBytes));
  i.work = register_move(dst);
  if (!i.begin(DType::kUint64)) return;
  const ScalarState& state = i.core().state;
  const uint64_t words[2] = {state.compare_low, state.compare_high};
  std::memcpy(machine().pointer(dst), words, sizeof(words));
  machine().poison(rest, kRegisterRoom - kRegisterBytes);
}

void set_compare_mask(const Operand& src, Site site) {
  Instruction i(Pipe::kV, "SetCmpMask", site);
  i.require_aligned(src, kRegisterBytes, "src");
  i.reads(region(src, kRegisterBytes));
  i.work = register_move(src);
  if (!i.begin(DType::kUint64)) return;
  uint64_t words[2];
  std::memcpy(words, machine().pointer(src), sizeof(words));
  i.core().state.compare_low = words[0];
  i.core().state.compare_high = words[1];
}

}  // namespace ascsim
