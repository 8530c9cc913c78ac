// DataCopy in its plain form.
#include <string>

#include "ascsim/instruction.h"
#include "ascsim/machine.h"
#include "ascsim/ops_move.h"

namespace ascsim {

namespace {

Pipe pipe_of_move(Memory to, Memory from) {
  if (from == Memory::kGm) return Pipe::kMte2;
  return to == Memory::kGm ? Pipe::kMte3 : Pipe::kV;
}

MovePath path_of(Memory to, Memory from) {
  if (from == Memory::kGm) return to == Memory::kUb ? MovePath::kGmToUb : MovePath::kGmToL1;
  return from == Memory::kUb ? MovePath::kUbToGm : MovePath::kL1ToGm;
}

}  // namespace

void move_blocks(const Operand& to, const Operand& from, const Blocks& b, bool cached, Site site) {
  const Pipe pipe = pipe_of_move(to.memory, from.memory);
  Instruction i(pipe, "DataCopy", site);
  if (to.memory != Memory::kGm) i.require_aligned(to, kBlockBytes, "dst");
  if (from.memory != Memory::kGm) i.require_aligned(from, kBlockBytes, "src");
  const auto count = static_cast<uint32_t>(b.blocks);
  i.moves_from(region(from, b.bytes, count, b.bytes + b.from_gap));
  i.moves_to(region(to, b.bytes, count, b.bytes + b.to_gap));
  MoveWork work;
  work.path = path_of(to.memory, from.memory);
  work.cached = cached;
  work.atomic = to.memory == Memory::kGm && i.core().state.atomic != AtomicOp::kNone;
  const Operand& gm = from.memory == Memory::kGm ? from : to;
  work.gm_address = gm.address;
  work.runs = count;
  work.run_bytes = static_cast<uint32_t>(b.bytes);
  work.run_stride = b.bytes + (from.memory == Memory::kGm ? b.from_gap : b.to_gap);
  if (pipe == Pipe::kV) {
    VectorWork copy;
    copy.op = VectorClass::kCopy;
    copy.repeats = static_cast<uint32_t>((b.blocks * b.bytes + kRepeatBytes - 1) / kRepeatBytes);
    copy.elements = static_cast<uint32_t>(b.blocks * b.bytes / 4);
    i.work = copy;
  } else {
    i.work = work;
  }
  if (!i.begin(to.dtype)) return;
  for (int64_t n = 0; n < b.blocks; ++n) {
    machine().move(to.plus_bytes(n * (b.bytes + b.to_gap)),
                   from.plus_bytes(n * (b.bytes + b.from_gap)), b.bytes);
  }
}

}  // namespace ascsim
