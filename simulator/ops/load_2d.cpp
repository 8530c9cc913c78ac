// LoadData of 512-byte fractals, with and without transposition.
//
// Source: "LoadData（2D矩阵搬运）", "LoadData（GMToL1-2D矩阵搬运）" and "LoadDataWithTranspose"
// pages.
#include <cstring>

#include "ascsim/ops_cube.h"
#include "ops/cube_checks.h"

namespace ascsim {

namespace {

constexpr int64_t kMaxSquareBytes = 2 * kFractalBytes;

bool is_l0(Memory memory) { return memory == Memory::kL0a || memory == Memory::kL0b; }

void check_fields(Instruction& i, const Load2d& load) {
  require_field(i, {"startIndex", load.start, 16, 65535});
  require_field(i, {"repeatTimes", load.repeats, 8, 255});
  require_field(i, {"srcStride", load.src_stride, 16, 65535});
  require_field(i, {"dstGap", load.dst_gap, 16, 65535});
  require_field(i, {"dstFracGap", load.dst_fractal_gap, 16, 65535});
  require_field(i, {"addrMode", load.address_mode, 8, 1});
}

// Where repeat `r` reads and writes, in bytes from the operands.
struct Steps2d {
  int64_t from_first = 0, from_step = 0, to_step = 0;
};

Steps2d steps_of(const Load2d& load, int64_t square_bytes) {
  Steps2d steps;
  steps.from_first = load.start * square_bytes;
  steps.from_step = load.src_stride * square_bytes * (load.address_mode == 0 ? 1 : -1);
  steps.to_step = (load.dst_gap + 1) * kFractalBytes;
  return steps;
}

// A square of `side` x `side` elements as it lies in L1: b16 one fractal; b8 two, one above the
// other; b32 two, side by side.
template <typename T>
void transpose_square(const T* from, T* to) {
  constexpr int kSide = sizeof(T) == 1 ? 32 : 16;
  constexpr int kColumns = static_cast<int>(kBlockBytes / sizeof(T));  // of a fractal
  // The transposed square, fractal after fractal: for b8 cut by rows, for b32 by columns.
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      const int target = column / kColumns * kSide * kColumns + row * kColumns + column % kColumns;
      const int source = row / kColumns * kSide * kColumns + column * kColumns + row % kColumns;
      to[target] = from[source];
    }
  }
}

void transpose_bytes(int element, const uint8_t* from, uint8_t* to) {
  switch (element) {
    case 1:
      return transpose_square(from, to);
    case 2:
      return transpose_square(reinterpret_cast<const uint16_t*>(from),
                              reinterpret_cast<uint16_t*>(to));
    default:
      return transpose_square(reinterpret_cast<const uint32_t*>(from),
                              reinterpret_cast<uint32_t*>(to));
  }
}

// Moves one square to its fractals, together with what is known about its bytes.
void move_transposed(const Operand& to, const Operand& from, int element, int64_t square_bytes,
                     int64_t fractal_step) {
  Machine& m = machine();
  alignas(64) uint8_t source[kMaxSquareBytes], target[kMaxSquareBytes];
  std::memcpy(source, m.pointer(from), static_cast<size_t>(square_bytes));
  transpose_bytes(element, source, target);
  int64_t from_offset = 0, to_offset = 0;
  const Shadow& from_shadow = m.shadow(from, &from_offset);
  const bool defined = from_shadow.first_undefined(from_offset, square_bytes) < 0;
  alignas(64) uint8_t known[kMaxSquareBytes];
  if (!defined) {
    for (int64_t b = 0; b < square_bytes; ++b) source[b] = from_shadow.defined(from_offset + b);
    transpose_bytes(element, source, known);
  }
  for (int64_t fractal = 0; fractal * kFractalBytes < square_bytes; ++fractal) {
    const Operand at = to.plus_bytes(fractal * fractal_step);
    const int64_t offset = fractal * kFractalBytes;
    std::memcpy(m.pointer(at), target + offset, static_cast<size_t>(kFractalBytes));
    Shadow& shadow = m.shadow(at, &to_offset);
    shadow.set(to_offset, kFractalBytes, defined);
    for (int64_t b = 0; !defined && b < kFractalBytes; ++b) {
      if (known[offset + b] != 0) shadow.set(to_offset + b, 1, true);
    }
  }
}

LoadWork load_work(LoadKind kind, Memory to, int64_t bytes, int64_t repeats) {
  LoadWork work;
  work.kind = kind;
  work.to = to;
  work.bytes = static_cast<uint32_t>(bytes);
  work.repeats = static_cast<uint32_t>(repeats);
  return work;
}

MoveWork gm_work(const Operand& to, const Operand& from, const Load2d& load, const Steps2d& steps) {
  MoveWork work;
  work.path = to.memory == Memory::kL1 ? MovePath::kGmToL1 : MovePath::kGmToL0;
  work.gm_address = from.address + static_cast<uint64_t>(steps.from_first);
  const bool dense = steps.from_step == kFractalBytes;
  work.runs = dense ? 1 : static_cast<uint32_t>(load.repeats);
  work.run_bytes = static_cast<uint32_t>(dense ? load.repeats * kFractalBytes : kFractalBytes);
  work.run_stride = dense ? work.run_bytes : steps.from_step;
  return work;
}

}  // namespace

void load_2d(const Operand& to, const Operand& from, const Load2d& load, Site site) {
  const bool from_gm = from.memory == Memory::kGm;
  Instruction i(from_gm ? Pipe::kMte2 : Pipe::kMte1, "LoadData", site);
  check_fields(i, load);
  require_memory(i, to, is_l0(to.memory) || (from_gm && to.memory == Memory::kL1), "dst");
  require_memory(i, from, from_gm || from.memory == Memory::kL1, "src");
  i.require(!load.transpose || (!from_gm && bits_of(from.dtype) == 16), Check::kParameter,
            [] { return std::string("ifTranspose needs a 16-bit type and a source in L1"); });
  i.require_aligned(to, to.memory == Memory::kL1 ? kBlockBytes : kFractalBytes, "dst");
  if (!from_gm) i.require_aligned(from, kBlockBytes, "src");
  if (load.repeats <= 0 || load.repeats > 255) return;  // no operation, or reported
  const Steps2d steps = steps_of(load, kFractalBytes);
  const auto repeats = static_cast<uint32_t>(load.repeats);
  i.moves_from(region(from.plus_bytes(steps.from_first), kFractalBytes, repeats, steps.from_step));
  i.moves_to(region(to, kFractalBytes, repeats, steps.to_step));
  if (from_gm) {
    i.work = gm_work(to, from, load, steps);
  } else {
    i.work = load_work(LoadKind::k2d, to.memory, load.repeats * kFractalBytes, load.repeats);
  }
  if (!i.begin(to.dtype)) return;
  for (int64_t r = 0; r < load.repeats; ++r) {
    const Operand source = from.plus_bytes(steps.from_first + r * steps.from_step);
    const Operand target = to.plus_bytes(r * steps.to_step);
    if (load.transpose) {
      move_transposed(target, source, 2, kFractalBytes, kFractalBytes);
    } else {
      machine().move(target, source, kFractalBytes);
    }
  }
}

void load_transposed(const Operand& to, const Operand& from, const Load2d& load, Site site) {
  if (bits_of(from.dtype) == 4) throw SimulatorBug("LoadDataWithTranspose of int4");
  Instruction i(Pipe::kMte1, "LoadDataWithTranspose", site);
  check_fields(i, load);
  require_memory(i, to, is_l0(to.memory), "dst");
  require_memory(i, from, from.memory == Memory::kL1, "src");
  i.require_aligned(to, kFractalBytes, "dst");
  i.require_aligned(from, kBlockBytes, "src");
  if (load.repeats <= 0 || load.repeats > 255) return;
  const int element = bits_of(from.dtype) / 8;
  const uint32_t fractals = element == 2 ? 1 : 2;
  const int64_t square = fractals * kFractalBytes;
  const Steps2d steps = steps_of(load, square);
  const int64_t fractal_step = (load.dst_fractal_gap + 1) * kFractalBytes;
  const auto repeats = static_cast<uint32_t>(load.repeats);
  i.moves_from(region(from.plus_bytes(steps.from_first), square, repeats, steps.from_step));
  i.moves_to(region(to, kFractalBytes, fractals, fractal_step, repeats, steps.to_step));
  i.work = load_work(LoadKind::kTranspose, to.memory, load.repeats * square, load.repeats);
  if (!i.begin(to.dtype)) return;
  for (int64_t r = 0; r < load.repeats; ++r) {
    move_transposed(to.plus_bytes(r * steps.to_step),
                    from.plus_bytes(steps.from_first + r * steps.from_step), element, square,
                    fractal_step);
  }
}

}  // namespace ascsim
