// Fill (InitConstValue) of L1 and L0, and of GM by way of UB (InitOutput).
//
// Page "Fill": L1 on MTE2 in blocks of 32 bytes, L0A and L0B on MTE1 in blocks of 512 bytes; the
// gap counts from the end of a repeat to the start of the next.
#include <algorithm>
#include <string>

#include "ops/move_plan.h"

namespace ascsim {

namespace {

constexpr int64_t kFillLimit = 32767;

}  // namespace

void fill_local(const Operand& to, const FillFields& f, Site site) {
  const bool l1 = to.memory == Memory::kL1;
  Instruction i(l1 ? Pipe::kMte2 : Pipe::kMte1, "Fill", site);
  i.require(l1 || to.memory == Memory::kL0a || to.memory == Memory::kL0b, Check::kParameter,
            [&] { return std::string("Fill of ") + name_of(to.memory); });
  i.require(bits_of(to.dtype) == 16 || bits_of(to.dtype) == 32, Check::kParameter, [&] {
    return std::string("Fill takes elements of 2 or 4 bytes, not ") + name_of(to.dtype);
  });
  require_field(i, "repeatTimes", f.repeats, kShortMax, 0, kFillLimit);
  require_field(i, "blockNum", f.blocks, kShortMax, 0, kFillLimit);
  require_field(i, "dstGap", f.gap, kShortMax, 0, kFillLimit);
  if (!i.valid()) return;
  if (f.repeats == 0 || f.blocks == 0) return;
  const int64_t unit = l1 ? kBlockBytes : kFractalBytes;
  i.require_aligned(to, unit, "dst");
  const int64_t bytes = f.blocks * unit;
  const int64_t stride = (f.blocks + f.gap) * unit;
  i.writes(region(to, bytes, static_cast<uint32_t>(f.repeats), stride));
  if (l1) {
    MoveWork work;
    work.path = MovePath::kFillL1;
    work.runs = static_cast<uint32_t>(f.repeats);
    work.run_bytes = static_cast<uint32_t>(bytes);
    work.run_stride = stride;
    i.work = work;
  } else {
    LoadWork work;
    work.kind = LoadKind::kFill;
    work.to = to.memory;
    work.bytes = static_cast<uint32_t>(f.repeats * bytes);
    work.repeats = static_cast<uint32_t>(f.repeats);
    i.work = work;
  }
  if (!i.begin(to.dtype)) return;
  for (int64_t r = 0; r < f.repeats; ++r) {
    write_pattern(to.plus_bytes(r * stride), bytes, f.value, element_bytes(to));
  }
}

void fill_gm(const Operand& to, int64_t elements, uint64_t value, const Operand& temporary,
             int64_t temporary_bytes, int event, bool cached, Site site) {
  const int bytes = element_bytes(to);
  const int64_t total = elements * bytes;
  const int64_t piece = std::min(temporary_bytes, total);
  if (piece <= 0) return;
  {
    Instruction i(Pipe::kV, "InitOutput", site);
    i.writes(region(temporary, temporary_bytes));
    VectorWork work;
    work.op = VectorClass::kDuplicate;
    work.dtype = to.dtype;
    work.elements = static_cast<uint32_t>(temporary_bytes / bytes);
    work.repeats = static_cast<uint32_t>((temporary_bytes + kRepeatBytes - 1) / kRepeatBytes);
    work.dst = {static_cast<uint32_t>(temporary.address), 1, 8, true};
    i.work = work;
    if (i.begin(to.dtype)) write_pattern(temporary, temporary_bytes, value, bytes);
  }
  machine().set_flag(Pipe::kV, Pipe::kMte3, event, site);
  machine().wait_flag(Pipe::kV, Pipe::kMte3, event, site);
  for (int64_t at = 0; at < total; at += piece) {
    CopyFields fields;
    fields.length = std::min(piece, total - at);
    data_copy_pad_out(to.plus_bytes(at), temporary, fields, PadWidth::kExtended, cached, site);
  }
}

}  // namespace ascsim
