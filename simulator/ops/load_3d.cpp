// LoadData with image-to-column: L1 (NC1HWC0) to L0A and L0B.
//
// Source: "LoadData（卷积数据搬运）" page and its pseudo code (load3d.py). The columns of the
// matrix are [c1][filter h][filter w][c0], its rows the output positions.
#include <cstring>

#include "ascsim/ops_cube.h"
#include "ops/cube_checks.h"

namespace ascsim {

namespace {

struct Geometry {
  int64_t height = 0, width = 0;
  int64_t pad_left = 0, pad_right = 0, pad_top = 0, pad_bottom = 0;
  int64_t filter_h = 1, filter_w = 1;
  int64_t out_h = 0, out_w = 0;
  int element = 2;       // bytes
  int64_t c0 = 16;       // elements of 32 bytes
  int64_t m_blocks = 0;  // of 16 rows, in the destination
  int64_t k_blocks = 0;  // of c0 columns
  int64_t m_valid = 0;   // rows that the feature map has, of those asked for
  bool transposed = false;
  bool dense = false;  // a plain matrix: row m of a plane is its block m
};

void check_fields(Instruction& i, const Load3d& load) {
  require_field(i, {"channelSize", load.channels, 16, 65535});
  require_field(i, {"kExtension", load.k_extension, 16, 65535});
  require_field(i, {"mExtension", load.m_extension, 16, 65535});
  require_field(i, {"kStartPt", load.k_start, 16, 65535});
  require_field(i, {"mStartPt", load.m_start, 16, 32767});
  require_field(i, {"strideW", load.stride_w, 8, 63});
  require_field(i, {"strideH", load.stride_h, 8, 63});
  require_field(i, {"filterW", load.filter_w, 8, 255});
  require_field(i, {"filterH", load.filter_h, 8, 255});
  require_field(i, {"dilationFilterW", load.dilation_w, 8, 255});
  require_field(i, {"dilationFilterH", load.dilation_h, 8, 255});
}

Geometry geometry_of(const Load3d& load, uint64_t fmatrix, const Operand& to) {
  Geometry g;
  g.height = static_cast<int64_t>(fmatrix & 0xffff);
  g.width = static_cast<int64_t>((fmatrix >> 16) & 0xffff);
  const auto pad = [&](int side) {
    return static_cast<int64_t>((fmatrix >> (32 + 8 * side)) & 0xff);
  };
  g.pad_left = pad(0);
  g.pad_right = pad(1);
  g.pad_top = pad(2);
  g.pad_bottom = pad(3);
  g.filter_h = load.filter_h + (load.long_filter_h ? 256 : 0);
  g.filter_w = load.filter_w + (load.long_filter_w ? 256 : 0);
  const int64_t reach_h = (g.filter_h - 1) * load.dilation_h + 1;
  const int64_t reach_w = (g.filter_w - 1) * load.dilation_w + 1;
  const int64_t span_h = g.height + g.pad_top + g.pad_bottom - reach_h;
  const int64_t span_w = g.width + g.pad_left + g.pad_right - reach_w;
  if (span_h >= 0 && span_w >= 0 && load.stride_h > 0 && load.stride_w > 0) {
    g.out_h = span_h / load.stride_h + 1;
    g.out_w = span_w / load.stride_w + 1;
  }
  g.element = bits_of(to.dtype) / 8;
  g.c0 = kBlockBytes / std::max(g.element, 1);
  g.m_blocks = (load.m_extension + 15) / 16;
  g.k_blocks = (load.k_extension + g.c0 - 1) / g.c0;
  g.m_valid = std::clamp<int64_t>(g.out_h * g.out_w - load.m_start, 0, load.m_extension);
  // L0B is always transposed, whatever enTranspose says.
  g.transposed = to.memory == Memory::kL0b || load.transpose;
  g.dense = g.filter_h == 1 && g.filter_w == 1 && (g.height == 1 || load.stride_h == 1) &&
            load.stride_w == 1 && (fmatrix >> 32) == 0;
  return g;
}

// The block of 32 bytes that holds row m, columns k_block * c0 .. of the matrix, counted from the
// start of the source; -1 if it is padding.
int64_t source_block(const Load3d& load, const Geometry& g, int64_t m, int64_t k_block) {
  const int64_t points = g.filter_h * g.filter_w;
  const int64_t c1 = k_block / points, point = k_block % points;
  const int64_t h = m / g.out_w * load.stride_h + point / g.filter_w * load.dilation_h - g.pad_top;
  const int64_t w = m % g.out_w * load.stride_w + point % g.filter_w * load.dilation_w - g.pad_left;
  if (h < 0 || h >= g.height || w < 0 || w >= g.width) return -1;
  return (c1 * g.height + h) * g.width + w;
}

void declare_source(Instruction& i, const Operand& from, const Load3d& load, const Geometry& g) {
  const int64_t points = g.filter_h * g.filter_w;
  const int64_t plane = g.height * g.width * kBlockBytes;
  const int64_t first = load.k_start / g.c0 / points;
  const int64_t last = (load.k_start / g.c0 + g.k_blocks - 1) / points;
  const auto planes = static_cast<uint32_t>(last - first + 1);
  const Operand at = from.plus_bytes(first * plane);
  if (g.dense) {
    i.moves_from(
        region(at.plus_bytes(load.m_start * kBlockBytes), g.m_valid * kBlockBytes, planes, plane));
  } else {
    i.moves_from(region(at, plane, planes, plane));
  }
}

// Byte in the destination of row m, column k (both from the start of what is loaded).
int64_t target_byte(const Geometry& g, bool to_l0b, int64_t m, int64_t k) {
  const int64_t c0 = g.c0;
  if (!g.transposed) {
    return ((m / 16 * g.k_blocks + k / c0) * 16 + m % 16) * kBlockBytes + k % c0 * g.element;
  }
  // The transposed matrix has the columns k as rows, padded to 16.
  const int64_t rows = (g.k_blocks * c0 + 15) / 16;
  const int64_t columns = g.m_blocks * 16 / c0;
  const int64_t fractal = to_l0b ? m / c0 * rows + k / 16 : k / 16 * columns + m / c0;
  return (fractal * 16 + k % 16) * kBlockBytes + m % c0 * g.element;
}

int64_t target_bytes(const Geometry& g) {
  const int64_t k_bytes =
      g.transposed ? (g.k_blocks * g.c0 + 15) / 16 * 16 * g.element : g.k_blocks * kBlockBytes;
  return g.m_blocks * 16 * k_bytes;
}

// Whether all that the load reads is written and all of the target is covered by it.
bool all_written(const Operand& from, const Load3d& load, const Geometry& g) {
  if (g.m_valid != g.m_blocks * 16 || g.k_blocks * g.c0 % 16 != 0) return false;
  const Shadow& shadow = machine().current().memory(Memory::kL1).shadow;
  const auto base = static_cast<int64_t>(from.address);
  for (int64_t k_block = 0; k_block < g.k_blocks; ++k_block) {
    for (int64_t m = 0; m < g.m_valid; ++m) {
      const int64_t block = source_block(load, g, load.m_start + m, load.k_start / g.c0 + k_block);
      if (block < 0) continue;  // padding
      if (shadow.first_undefined(base + block * kBlockBytes, kBlockBytes) >= 0) return false;
    }
  }
  return true;
}

// Moves the 32 bytes of one row and k_block, or their padding. `marked`: the target is marked as
// written already.
void move_block(const Operand& to, const Operand& from, const Load3d& load, const Geometry& g,
                int64_t m, int64_t k_block, bool marked) {
  Core& core = machine().current();
  const int64_t block = source_block(load, g, load.m_start + m, load.k_start / g.c0 + k_block);
  const bool to_l0b = to.memory == Memory::kL0b;
  const Operand source = from.plus_bytes(block * kBlockBytes);
  if (block >= 0 && !g.transposed) {
    machine().move(to.plus_bytes(target_byte(g, to_l0b, m, k_block * g.c0)), source, kBlockBytes);
    return;
  }
  const auto size = static_cast<size_t>(g.element);
  const Shadow& known = core.memory(Memory::kL1).shadow;
  Shadow& shadow = core.memory(to.memory).shadow;
  const auto* padding = reinterpret_cast<const uint8_t*>(&core.state.load_padding);
  const uint8_t* values = block < 0 ? nullptr : core.data(Memory::kL1, source.address);
  for (int64_t c = 0; c < g.c0; ++c) {
    const uint64_t at =
        to.address + static_cast<uint64_t>(target_byte(g, to_l0b, m, k_block * g.c0 + c));
    std::memcpy(core.data(to.memory, at), values == nullptr ? padding : values + c * g.element,
                size);
    if (marked) continue;
    const bool written =
        values == nullptr ||
        known.first_undefined(static_cast<int64_t>(source.address) + c * g.element, g.element) < 0;
    shadow.set(static_cast<int64_t>(at), g.element, written);
  }
}

void check_geometry(Instruction& i, const Load3d& load, const Geometry& g) {
  i.require(load.k_start % g.c0 == 0, Check::kParameter, [&] {
    return "kStartPt " + std::to_string(load.k_start) + " is not a multiple of " +
           std::to_string(g.c0);
  });
  i.require(g.element != 1 || !g.transposed, Check::kParameter,
            [] { return std::string("8-bit types cannot be transposed (and L0B always is)"); });
  const bool padded = (g.pad_left | g.pad_right | g.pad_top | g.pad_bottom) != 0;
  i.require(!padded || i.core().state.load_padding_set, Check::kState, [] {
    return std::string("padding without SetLoadDataPaddingValue (or isSetPadding) before");
  });
  const int64_t columns = load.channels / g.c0 * g.filter_h * g.filter_w * g.c0;
  i.require(load.k_start + load.k_extension <= columns, Check::kParameter, [&] {
    return "kStartPt + kExtension " + std::to_string(load.k_start + load.k_extension) +
           " exceeds the " + std::to_string(columns) + " columns of the matrix";
  });
}

}  // namespace

void load_3d(const Operand& to, const Operand& from, const Load3d& load, Site site) {
  if (bits_of(to.dtype) == 4) throw SimulatorBug("LoadData (3D) of int4");
  if (load.small_k) throw SimulatorBug("LoadData (3D) with enSmallK");
  Instruction i(Pipe::kMte1, "LoadData", site);
  check_fields(i, load);
  require_memory(i, to, to.memory == Memory::kL0a || to.memory == Memory::kL0b, "dst");
  require_memory(i, from, from.memory == Memory::kL1, "src");
  i.require_aligned(to, kFractalBytes, "dst");
  i.require_aligned(from, kBlockBytes, "src");
  const ScalarState& state = i.core().state;
  const bool set = load.right_fmatrix ? state.fmatrix_set_b : state.fmatrix_set_a;
  i.require(set, Check::kState, [] {
    return std::string("no SetFmatrix for this side (fMatrixCtrl) before, and isSetFMatrix is off");
  });
  if (!set) return;
  const Geometry g = geometry_of(load, load.right_fmatrix ? state.fmatrix_b : state.fmatrix_a, to);
  // Any of these at 0: no operation (documented).
  if (g.height == 0 || g.width == 0 || load.channels <= 0 || load.k_extension <= 0 ||
      load.m_extension <= 0 || g.filter_w == 0 || g.filter_h == 0) {
    return;
  }
  if (load.channels % g.c0 != 0)
    throw SimulatorBug("LoadData (3D) with a channelSize of part of C0");
  check_geometry(i, load, g);
  declare_source(i, from, load, g);
  const int64_t bytes = target_bytes(g);
  i.moves_to(region(to, bytes));
  LoadWork work;
  work.kind = LoadKind::k3d;
  work.to = to.memory;
  work.bytes = static_cast<uint32_t>(bytes);
  work.repeats = static_cast<uint32_t>((bytes + kFractalBytes - 1) / kFractalBytes);
  i.work = work;
  if (!i.begin(to.dtype)) return;
  machine().poison(to, bytes);  // what the extensions do not cover
  const bool marked = g.transposed && all_written(from, load, g);
  if (marked) {
    i.core().memory(to.memory).shadow.set(static_cast<int64_t>(to.address), bytes, true);
  }
  for (int64_t k_block = 0; k_block < g.k_blocks; ++k_block) {
    for (int64_t m = 0; m < g.m_valid; ++m) move_block(to, from, load, g, m, k_block, marked);
  }
}

}  // namespace ascsim
