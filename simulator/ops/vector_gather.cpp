// GatherMask and Gather ("GatherMask", "Gather" pages).
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "ascsim/ops_vector_gather.h"
#include "ascsim/soc.h"
#include "ops/vector_plan.h"

namespace ascsim {

namespace {

bool inside_ub(const Operand& at, int64_t bytes) {
  return at.memory == Memory::kUb && static_cast<int64_t>(at.address) + bytes <= Soc::kUbBytes;
}

bool written(const Operand& at, int64_t bytes) {
  int64_t offset = 0;
  const Shadow& shadow = machine().shadow(at, &offset);
  return shadow.first_undefined(offset, bytes) < 0;
}

void mark(const Operand& at, int64_t bytes, bool known) {
  int64_t offset = 0;
  machine().shadow(at, &offset).set(offset, bytes, known);
}

bool require_width(Instruction& i, DType dtype) {
  const int bits = bits_of(dtype);
  i.require(bits == 16 || bits == 32, Check::kParameter,
            [&] { return std::string(name_of(dtype)) + ", allowed are types of 16 and 32 bits"; });
  return bits == 16 || bits == 32;
}

void describe(Instruction& i, VectorClass price, const Operand& dst, const Operand& src,
              int64_t repeats, int64_t elements, Steps src_steps) {
  VectorWork work;
  work.op = price;
  work.dtype = src.dtype;
  work.repeats = static_cast<uint32_t>(repeats);
  work.elements = static_cast<uint32_t>(elements);
  work.dst = work_operand(dst, Steps{});
  work.src0 = work_operand(src, src_steps);
  i.work = work;
}

// Patterns 1 to 7 of the page.
bool pattern_bit(int pattern, int64_t element) {
  switch (pattern) {
    case 1:
      return element % 2 == 0;
    case 2:
      return element % 2 == 1;
    case 3:
      return element % 4 == 0;
    case 4:
      return element % 4 == 1;
    case 5:
      return element % 4 == 2;
    case 6:
      return element % 4 == 3;
    default:
      return true;
  }
}

// Elements of one repeat lie in blocks, which in counter mode may be more than eight.
Operand element_at(const MaskGather& g, int64_t repeat, int64_t element, int64_t bytes) {
  const int64_t per_block = kBlockBytes / bytes;
  return g.src.plus_bytes((repeat * g.src_steps.repeat + element / per_block * g.src_steps.block) *
                              kBlockBytes +
                          element % per_block * bytes);
}

// The elements chosen, as addresses of their bytes.
std::vector<Operand> chosen_elements(const MaskGather& g, int64_t per_repeat, int64_t bytes) {
  std::vector<Operand> chosen;
  for (int64_t r = 0; r < g.repeats; ++r) {
    const Operand bits = g.mask.plus_bytes(r * g.mask_step * kBlockBytes);
    const uint8_t* words = g.pattern == 0 ? machine().pointer(bits) : nullptr;
    for (int64_t e = 0; e < per_repeat; ++e) {
      const bool on =
          words == nullptr ? pattern_bit(g.pattern, e) : ((words[e / 8] >> (e % 8)) & 1) != 0;
      if (on) chosen.push_back(element_at(g, r, e, bytes));
    }
  }
  return chosen;
}

void require_mask_gather(Instruction& i, const MaskGather& g) {
  const auto fits = [](int64_t v, int64_t most) { return v >= 0 && v <= most; };
  i.require(fits(g.repeats, 65535) && fits(g.src_steps.block, 255) &&
                fits(g.src_steps.repeat, 65535) && fits(g.mask_step, 255),
            Check::kNarrowing, [&] {
              return "repeatTimes " + std::to_string(g.repeats) +
                     " (at most 65535), src0BlockStride " + std::to_string(g.src_steps.block) +
                     " (255), src0RepeatStride " + std::to_string(g.src_steps.repeat) +
                     " (65535), src1RepeatStride " + std::to_string(g.mask_step) + " (255)";
            });
  i.require(g.pattern >= 0 && g.pattern <= 7, Check::kParameter,
            [&] { return "src1Pattern " + std::to_string(g.pattern) + ", allowed 1 to 7"; });
  i.require(g.pattern != 0 || bits_of(g.mask.dtype) == bits_of(g.src.dtype), Check::kParameter,
            [&] {
              return std::string("a mask of ") + name_of(g.mask.dtype) + " for " +
                     name_of(g.src.dtype) + ", must be as wide";
            });
  i.require(!g.counter || (g.elements > 0 && g.elements <= Soc::kUbBytes), Check::kParameter,
            [&] { return "mask " + std::to_string(g.elements) + " in counter mode"; });
}

}  // namespace

uint64_t vector_gather_mask(const MaskGather& g, Site site) {
  Instruction i(Pipe::kV, "GatherMask", site);
  require_width(i, g.src.dtype);
  require_mask_gather(i, g);
  i.require_aligned(g.dst, kBlockBytes, "dst");
  i.require_aligned(g.src, kBlockBytes, "src0");
  if (g.pattern == 0) i.require_aligned(g.mask, kBlockBytes, "src1Pattern");
  ScalarState& state = i.core().state;
  const auto leave = [&] {  // normal mode, with `mask` in the register, whatever it means
    state.mask_low = static_cast<uint64_t>(g.elements);
    state.mask_high = 0;
    state.mask_counter = false;
    state.mask_writer = i.operation();
    state.mask_site = site;
  };
  if (!i.valid()) {
    i.begin(g.src.dtype);
    leave();
    return 0;
  }
  const int64_t bytes = bits_of(g.src.dtype) / 8, per_block = kBlockBytes / bytes;
  const int64_t per_repeat = g.counter ? g.elements : kRepeatBytes / bytes;
  const auto repeats = static_cast<uint32_t>(g.repeats);
  const int64_t blocks = per_repeat / per_block, rest = per_repeat % per_block;
  const int64_t step = g.src_steps.repeat * kBlockBytes;
  if (blocks > 0) {
    i.reads(region(g.src, kBlockBytes, static_cast<uint32_t>(blocks),
                   g.src_steps.block * kBlockBytes, repeats, step));
  }
  if (rest > 0)
    i.reads(region(element_at(g, 0, blocks * per_block, bytes), rest * bytes, repeats, step));
  if (g.pattern == 0) {
    i.reads(region(g.mask, (per_repeat + 7) / 8, repeats, g.mask_step * kBlockBytes));
  }
  const std::vector<Operand> chosen =
      i.valid() ? chosen_elements(g, per_repeat, bytes) : std::vector<Operand>();
  const int64_t packed = static_cast<int64_t>(chosen.size()) * bytes;
  const int64_t whole = (packed + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  i.moves_to(region(g.dst, packed));
  // What follows in the last block is undefined (example of the page: "undefined ..undefined").
  if (whole > packed) i.moves_to(region(g.dst.plus_bytes(packed), whole - packed));
  describe(i, VectorClass::kGatherMask, g.dst, g.src, g.repeats, g.repeats * per_repeat,
           g.src_steps);
  if (i.begin(g.src.dtype)) {
    // In place, elements only ever move to lower addresses if repeats do not overlap.
    Operand to = g.dst;
    for (const Operand& from : chosen) {
      const bool known = written(from, bytes);
      std::memmove(machine().pointer(to), machine().pointer(from), static_cast<size_t>(bytes));
      mark(to, bytes, known);
      to = to.plus_bytes(bytes);
    }
    machine().poison(g.dst.plus_bytes(packed), whole - packed);
  }
  leave();
  return chosen.size();
}

namespace {

struct GatherLane {
  Operand to, from;
};

// Lane by lane; false if an offset leads outside of UB or is not aligned.
std::vector<GatherLane> gather_lanes(Instruction& i, const AddressGather& g, const VectorPlan& plan,
                                     int64_t bytes) {
  std::vector<GatherLane> lanes;
  for (int64_t r = 0; r < plan.repeats; ++r) {
    const auto visit = [&](int lane, int count) {
      for (int l = lane; l < lane + count; ++l) {
        uint32_t offset = 0;
        std::memcpy(&offset, machine().pointer(g.offsets.plus_bytes((r * plan.lanes + l) * 4)), 4);
        const Operand from = g.src.plus_bytes(g.base + offset);
        const bool good =
            inside_ub(from, bytes) && from.address % static_cast<uint64_t>(bytes) == 0;
        i.require(good || !i.valid(), Check::kParameter, [&] {
          return "offset " + std::to_string(offset) + " of lane " + std::to_string(l) +
                 ", repeat " + std::to_string(r) + " gives UB address " +
                 std::to_string(from.address) + ": outside, or not a multiple of " +
                 std::to_string(bytes);
        });
        lanes.push_back({g.dst.plus_bytes(r * g.dst_step * kBlockBytes + l * bytes), from});
      }
    };
    for_each_lane_run(plan.low_of(r), plan.high_of(r), plan.lanes, plan.lanes, visit);
  }
  return lanes;
}

// Sources that follow each other are one region.
void read_sources(Instruction& i, const std::vector<GatherLane>& lanes, int64_t bytes) {
  for (size_t n = 0; n < lanes.size();) {
    size_t end = n + 1;
    while (end < lanes.size() &&
           lanes[end].from.address == lanes[end - 1].from.address + static_cast<uint64_t>(bytes)) {
      ++end;
    }
    i.moves_from(region(lanes[n].from, static_cast<int64_t>(end - n) * bytes));
    n = end;
  }
}

}  // namespace

void vector_gather(const AddressGather& g, Site site) {
  Instruction i(Pipe::kV, "Gather", site);
  if (!require_width(i, g.src.dtype)) {
    i.begin(g.src.dtype);
    return;
  }
  const int bytes = bits_of(g.src.dtype) / 8;
  const VectorPlan plan = plan_lanes(i, g.lanes, bytes);
  i.require_aligned(g.dst, kBlockBytes, "dst");
  i.require_aligned(g.src, kBlockBytes, "src");
  i.require_aligned(g.offsets, kBlockBytes, "srcOffset");
  i.require(g.dst_step >= 0 && g.dst_step <= 65535, Check::kNarrowing,
            [&] { return "dstRepStride " + std::to_string(g.dst_step) + ", allowed 0 to 65535"; });
  // An offset per lane, of those that are off too.
  declare_operand(plan, g.offsets, 4, {1, 32 / bytes}, [&](const Region& r) { i.reads(r); });
  std::vector<GatherLane> lanes;
  if (i.valid()) lanes = gather_lanes(i, g, plan, bytes);
  if (i.valid()) read_sources(i, lanes, bytes);
  declare_operand(plan, g.dst, bytes, {1, g.dst_step}, [&](const Region& r) { i.writes(r); });
  describe(i, VectorClass::kGather, g.dst, g.src, plan.repeats, plan.elements, Steps{});
  i.marks_results = true;
  if (!i.begin(g.src.dtype)) return;
  for (const GatherLane& lane : lanes) {
    std::memcpy(machine().pointer(lane.to), machine().pointer(lane.from),
                static_cast<size_t>(bytes));
    mark(lane.to, bytes, written(lane.from, bytes));
  }
}

}  // namespace ascsim
