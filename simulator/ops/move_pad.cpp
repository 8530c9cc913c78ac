// DataCopyPad: blocks of any number of bytes; in UB each begins at a 32-byte boundary.
//
// Pages "DataCopyPad (GMToUB非对齐数据搬运)" and "(UBToGM...)". Lengths are bytes; the stride on
// the GM side counts bytes, the one on the UB side blocks of 32 bytes after the padded block.
#include <algorithm>
#include <cstring>
#include <string>

#include "ops/move_plan.h"

namespace ascsim {

namespace {

constexpr int64_t kLengthLimit = 2097151;

int64_t round_up(int64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

void require_fields(Instruction& i, const CopyFields& f, PadWidth width, int bytes) {
  const bool wide = width == PadWidth::kExtended;
  const int64_t stride_max = wide ? kWordMax : kShortMax;
  require_field(i, "blockCount", f.count, kShortMax, 0, kBlockCountLimit);
  require_field(i, "blockLen", f.length, stride_max, 0, wide ? kLengthLimit : kShortMax);
  if (f.count > 1) {
    require_field(i, "srcStride", f.from_stride, stride_max, 0, stride_max);
    require_field(i, "dstStride", f.to_stride, stride_max, 0, stride_max);
  }
  i.require(f.length % bytes == 0, Check::kParameter, [&] {
    return "blockLen " + std::to_string(f.length) + " bytes is not a multiple of the element's " +
           std::to_string(bytes);
  });
}

void require_padding(Instruction& i, const PadFields& pad, int bytes) {
  const int64_t most = kBlockBytes / bytes;
  require_field(i, "leftPadding", pad.left, 255, 0, most);
  require_field(i, "rightPadding", pad.right, 255, 0, most);
  i.require(bytes < 8 || !pad.own_value || pad.value == 0, Check::kParameter,
            [] { return "paddingValue of a 64-bit type must be 0"; });
}

// A move in bytes; strides from start to start.
struct Plan {
  int64_t count = 0, bytes = 0, gm_stride = 0, ub_stride = 0;
  int64_t left = 0;
  int64_t ub_bytes = 0;  // of one padded block
};

Plan plan_of(const CopyFields& f, int64_t gm_gap, int64_t ub_gap, int64_t left, int64_t right) {
  Plan plan;
  plan.count = f.count;
  plan.bytes = f.length;
  plan.left = left;
  plan.ub_bytes = round_up(left + f.length + right);
  plan.gm_stride = f.count == 1 ? plan.bytes : plan.bytes + gm_gap;
  plan.ub_stride = f.count == 1 ? plan.ub_bytes : plan.ub_bytes + ub_gap * kBlockBytes;
  return plan;
}

// What surrounds a block. Documented: the value given with the padding, and with no padding at all
// the first element of the block. The page contradicts itself on a value without padding, and calls
// padding without a value random: those bytes count as unwritten.
void surround(const Operand& block, const Plan& p, const PadFields& pad, int bytes) {
  const int64_t right = p.ub_bytes - p.left - p.bytes;
  const Operand end = block.plus_bytes(p.left + p.bytes);
  Machine& m = machine();
  const ScalarState& state = m.current().state;
  const bool padded = pad.left + pad.right > 0;
  if (padded && (pad.own_value || state.pad_value_set)) {
    const uint64_t value = pad.own_value ? pad.value : state.pad_value;
    write_pattern(block, p.left, value, bytes);
    write_pattern(end, right, value, bytes);
  } else if (!padded && !pad.own_value && !state.pad_value_set) {
    for (int64_t n = 0; n < right; n += bytes) m.move(end.plus_bytes(n), block, bytes);
  } else {
    m.poison(block, p.left);
    m.poison(end, right);
  }
}

}  // namespace

void data_copy_pad_in(const Operand& to, const Operand& from, const CopyFields& fields,
                      const PadFields& pad, PadWidth width, bool cached, Site site) {
  if (ub_on_aic(to, from)) return;
  Instruction i(Pipe::kMte2, "DataCopyPad", site);
  i.require(from.memory == Memory::kGm && to.memory == Memory::kUb, Check::kParameter, [&] {
    return std::string("this chip has no DataCopyPad from ") + name_of(from.memory) + " to " +
           name_of(to.memory);
  });
  const int bytes = element_bytes(to);
  require_fields(i, fields, width, bytes);
  require_padding(i, pad, bytes);
  if (!i.valid()) return;
  if (fields.count == 0 || fields.length == 0) return;
  i.require_aligned(to, kBlockBytes, "dst");
  const Plan p =
      plan_of(fields, fields.from_stride, fields.to_stride, pad.left * bytes, pad.right * bytes);
  const auto count = static_cast<uint32_t>(p.count);
  i.moves_from(region(from, p.bytes, count, p.gm_stride));
  i.moves_to(region(to, p.ub_bytes, count, p.ub_stride));
  MoveWork work;
  work.path = MovePath::kGmToUb;
  work.cached = cached;
  set_runs(work, from, p.count, p.bytes, p.gm_stride);
  i.work = work;
  if (!i.begin(to.dtype)) return;
  for (int64_t n = 0; n < p.count; ++n) {
    const Operand block = to.plus_bytes(n * p.ub_stride);
    machine().move(block.plus_bytes(p.left), from.plus_bytes(n * p.gm_stride), p.bytes);
    if (p.ub_bytes > p.bytes) surround(block, p, pad, bytes);
  }
}

void data_copy_pad_out(const Operand& to, const Operand& from, const CopyFields& fields,
                       PadWidth width, bool cached, Site site) {
  if (ub_on_aic(to, from)) return;
  Instruction i(Pipe::kMte3, "DataCopyPad", site);
  i.require(from.memory == Memory::kUb && to.memory == Memory::kGm, Check::kParameter, [&] {
    return std::string("this chip has no DataCopyPad from ") + name_of(from.memory) + " to " +
           name_of(to.memory);
  });
  require_fields(i, fields, width, element_bytes(from));
  if (!i.valid()) return;
  if (fields.count == 0 || fields.length == 0) return;
  i.require_aligned(from, kBlockBytes, "src");
  const Plan p = plan_of(fields, fields.to_stride, fields.from_stride, 0, 0);
  const auto count = static_cast<uint32_t>(p.count);
  declare_store(i, region(from, p.bytes, count, p.ub_stride),
                region(to, p.bytes, count, p.gm_stride), from.dtype);
  MoveWork work;
  work.path = MovePath::kUbToGm;
  work.cached = cached;
  work.atomic = atomic_now(i);
  set_runs(work, to, p.count, p.bytes, p.gm_stride);
  i.work = work;
  if (!i.begin(from.dtype)) return;
  for (int64_t n = 0; n < p.count; ++n) {
    machine().move(to.plus_bytes(n * p.gm_stride), from.plus_bytes(n * p.ub_stride), p.bytes);
  }
}

void set_pad_value(uint64_t value, Site site) {
  Instruction i(Pipe::kS, "SetPadValue", site);
  i.work = ScalarWork{ScalarKind::kSetState, 1};
  i.begin(DType::kNone);
  i.core().state.pad_value = value;
  i.core().state.pad_value_set = true;
}

}  // namespace ascsim
