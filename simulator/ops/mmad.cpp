// Mmad: C = A . B, plus what C starts from.
//
// Source: "Mmad", "GEMV", "HF32", "K-方向对齐约束" and "UnitFlag" pages. A is zZ in L0A, B nZ in
// L0B, C zN in L0C with fractals of 16 x 16 values of 4 bytes. How the cube rounds inside a step of
// k is not documented: the order of mmad_kernel.h is inferred.
#include <algorithm>
#include <cstring>
#include <vector>

#include "ascsim/numeric.h"
#include "ascsim/ops_cube.h"
#include "ops/cube_checks.h"
#include "ops/mmad_kernel.h"

namespace ascsim {

namespace {

constexpr int64_t kTileBytes = 1024;  // 16 x 16 values of C
constexpr int64_t kSmallTiles = 10;   // fewer tiles of C than this: accumulation needs a barrier

struct Shape {
  int64_t m, n, k;
  int64_t element;             // bytes of A's and B's
  int64_t c0;                  // elements of 32 bytes
  int64_t m_blocks, n_blocks;  // of 16
  int64_t k_blocks;            // fractals along k
  bool vector;                 // m == 1: A is a row without fractals (GEMV)
};

Shape shape_of(const Operand& a, const MmadCall& call) {
  Shape s{};
  s.m = call.m;
  s.n = call.n;
  s.k = call.k;
  s.element = bits_of(a.dtype) / 8;
  s.c0 = kBlockBytes / s.element;
  s.m_blocks = (s.m + 15) / 16;
  s.n_blocks = (s.n + 15) / 16;
  s.k_blocks = (s.k + s.c0 - 1) / s.c0;
  if (a.dtype == DType::kFp32 && call.align_k) s.k_blocks = (s.k + 15) / 16 * 2;
  s.vector = s.m == 1;
  return s;
}

bool types_fit(DType c, DType a, DType b) {
  if (a != b) return false;
  if (a == DType::kInt8) return c == DType::kInt32;
  return is_floating(a) && c == DType::kFp32;
}

// Only what the product needs: m rows and k columns of A, k rows and n columns of B.
void declare_sources(Instruction& i, const Operand& a, const Operand& b, const Shape& s) {
  const int64_t full_k = s.k / s.c0, tail_k = s.k % s.c0 * s.element;
  const auto k_count = static_cast<uint32_t>(full_k);
  if (s.vector) {
    i.reads(region(a, s.k * s.element));
  } else {
    const int64_t full_m = s.m / 16, tail_m = s.m % 16;
    const auto m_count = static_cast<uint32_t>(full_m);
    const auto tail_rows = static_cast<uint32_t>(tail_m);
    const int64_t band = s.k_blocks * kFractalBytes;
    const Operand last_k = a.plus_bytes(full_k * kFractalBytes);
    i.reads(region(a, full_k * kFractalBytes, m_count, band));
    i.reads(region(last_k, tail_k, 16, kBlockBytes, m_count, band));
    i.reads(region(a.plus_bytes(full_m * band), tail_m * kBlockBytes, k_count, kFractalBytes));
    i.reads(region(last_k.plus_bytes(full_m * band), tail_k, tail_rows, kBlockBytes));
  }
  const int64_t row = s.n_blocks * kFractalBytes;
  i.reads(region(b, s.n * kBlockBytes, k_count, row));
  i.reads(region(b.plus_bytes(full_k * row), tail_k, static_cast<uint32_t>(s.n), kBlockBytes));
}

// The m x n values of C, or what is computed around them.
template <typename Declare>
void c_values(const Operand& c, const Shape& s, Declare&& declare) {
  const int64_t column = s.m_blocks * kTileBytes, full_n = s.n / 16, tail_n = s.n % 16;
  declare(region(c, s.m * 64, static_cast<uint32_t>(full_n), column));
  declare(region(c.plus_bytes(full_n * column), tail_n * 4, static_cast<uint32_t>(s.m), 64));
}

template <typename Declare>
void c_surroundings(const Operand& c, const Shape& s, Declare&& declare) {
  const int64_t column = s.m_blocks * kTileBytes, full_n = s.n / 16, tail_n = s.n % 16;
  declare(
      region(c.plus_bytes(s.m * 64), column - s.m * 64, static_cast<uint32_t>(s.n_blocks), column));
  if (tail_n == 0) return;
  declare(region(c.plus_bytes(full_n * column + tail_n * 4), 64 - tail_n * 4,
                 static_cast<uint32_t>(s.m), 64));
}

// To 11 bits of fraction. Source: "HF32" page (its figure; the width is inferred from the remark
// that 950, with 10 bits, differs); ties to even, or towards zero.
float to_hf32(float value, bool ties_to_even) {
  const uint32_t bits = bits_as<uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  const uint32_t half = ties_to_even ? 0x7ffu + ((bits >> 12) & 1u) : 0x7ffu;
  return bits_as<float>((bits + half) & ~0xfffu);
}

// Elements of A up to the last fractal that the product needs.
int64_t a_elements(const Shape& s) {
  if (s.vector) return s.k;
  return ((s.m_blocks - 1) * s.k_blocks + (s.k + s.c0 - 1) / s.c0) * 16 * s.c0;
}

struct Scratch {
  std::vector<float> a, b, row;
  std::vector<int32_t> ia, ib, ic;
};

// One machine runs at a time, and no operation is left while it works.
Scratch& scratch() {
  static Scratch buffers;
  return buffers;
}

// [k block][n block][16][c0] -> [k block][n block][c0][16]
template <int kC0, typename T, typename From>
void transpose_fractals(const From* from, T* to, int64_t fractals) {
  for (int64_t f = 0; f < fractals; ++f, from += 16 * kC0, to += 16 * kC0) {
    for (int p = 0; p < kC0; ++p) {
      for (int n = 0; n < 16; ++n) to[p * 16 + n] = static_cast<T>(from[n * kC0 + p]);
    }
  }
}

void widen(DType dtype, const uint8_t* from, float* to, int64_t count, const ScalarState& state) {
  if (dtype == DType::kFp16) return widen_fp16(from, to, count);
  if (dtype == DType::kBf16) return widen_bf16(from, to, count);
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  if (!state.hf32) return;
  for (int64_t n = 0; n < count; ++n) to[n] = to_hf32(to[n], state.hf32_nearest);
}

// Brings C to what the accumulation starts from.
template <typename T>
void start(T* c, const Shape& s, const MmadCall& call, const uint8_t* bias) {
  const int64_t values = s.m_blocks * s.n_blocks * 256;
  if (call.zero_init) {
    std::fill(c, c + values, T{0});
    return;
  }
  if (bias == nullptr) return;
  for (int64_t n = 0; n < s.n_blocks; ++n) {
    T row[16] = {};
    const int64_t valid = std::min<int64_t>(16, s.n - n * 16);
    std::memcpy(row, bias + n * 64, static_cast<size_t>(valid) * 4);
    for (int64_t m = 0; m < s.m; ++m) {
      std::memcpy(c + (n * s.m_blocks + m / 16) * 256 + m % 16 * 16, row, sizeof(row));
    }
  }
}

TileShape tiles_of(const Shape& s) {
  TileShape tiles;
  tiles.m = s.m;
  tiles.k = s.k;
  tiles.m_blocks = s.m_blocks;
  tiles.n_blocks = s.n_blocks;
  tiles.a_row_block = s.k_blocks * 16 * s.c0;
  tiles.a_k_block = s.vector ? s.c0 : 16 * s.c0;
  return tiles;
}

void multiply_float(DType dtype, const Shape& s, const uint8_t* a, const uint8_t* b, float* c,
                    const ScalarState& state) {
  Scratch& buffers = scratch();
  const int64_t a_count = a_elements(s);
  const int64_t b_fractals = (s.k + s.c0 - 1) / s.c0 * s.n_blocks;
  const int64_t b_count = b_fractals * 16 * s.c0;
  buffers.a.resize(static_cast<size_t>(a_count));
  buffers.row.resize(static_cast<size_t>(b_count));
  buffers.b.resize(static_cast<size_t>(b_count));
  widen(dtype, a, buffers.a.data(), a_count, state);
  widen(dtype, b, buffers.row.data(), b_count, state);
  if (s.c0 == 16) {
    transpose_fractals<16>(buffers.row.data(), buffers.b.data(), b_fractals);
  } else {
    transpose_fractals<8>(buffers.row.data(), buffers.b.data(), b_fractals);
  }
  const int step = dtype != DType::kFp32 ? 16 : state.hf32 ? 8 : 4;
  multiply_tiles(tiles_of(s), static_cast<int>(s.c0), step, buffers.a.data(), buffers.b.data(), c);
}

// Integers saturate ("Mmad" page, special values).
void multiply_int(const Shape& s, const uint8_t* a, const uint8_t* b, int32_t* c) {
  Scratch& buffers = scratch();
  const int64_t a_count = a_elements(s);
  const int64_t b_fractals = s.k_blocks * s.n_blocks;
  const int64_t c_count = s.m_blocks * s.n_blocks * 256;
  buffers.ia.resize(static_cast<size_t>(a_count));
  buffers.ib.resize(static_cast<size_t>(b_fractals * 16 * s.c0));
  buffers.ic.assign(static_cast<size_t>(c_count), 0);
  const auto* values = reinterpret_cast<const int8_t*>(a);
  for (int64_t n = 0; n < a_count; ++n) buffers.ia[static_cast<size_t>(n)] = values[n];
  transpose_fractals<32>(reinterpret_cast<const int8_t*>(b), buffers.ib.data(), b_fractals);
  multiply_tiles(tiles_of(s), buffers.ia.data(), buffers.ib.data(), buffers.ic.data());
  for (int64_t n = 0; n < c_count; ++n) {
    const int64_t sum = int64_t{c[n]} + buffers.ic[static_cast<size_t>(n)];
    c[n] = static_cast<int32_t>(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX));
  }
}

// Whether all bytes of some strided pieces are written.
bool written(Core& core, Memory memory, int64_t begin, int64_t length, int64_t count,
             int64_t stride) {
  const Shadow& shadow = core.memory(memory).shadow;
  for (int64_t n = 0; n < count; ++n) {
    if (shadow.first_undefined(begin + n * stride, length) >= 0) return false;
  }
  return true;
}

bool row_written(Core& core, const Operand& a, const Shape& s, int64_t m) {
  const auto base = static_cast<int64_t>(a.address);
  if (s.vector) return written(core, a.memory, base, s.k * s.element, 1, 0);
  const int64_t row = base + m / 16 * s.k_blocks * kFractalBytes + m % 16 * kBlockBytes;
  const int64_t full = s.k / s.c0, tail = s.k % s.c0 * s.element;
  return written(core, a.memory, row, kBlockBytes, full, kFractalBytes) &&
         written(core, a.memory, row + full * kFractalBytes, tail, 1, 0);
}

bool column_written(Core& core, const Operand& b, const Shape& s, int64_t n) {
  const int64_t column = static_cast<int64_t>(b.address) + n * kBlockBytes;
  const int64_t step = s.n_blocks * kFractalBytes;
  const int64_t full = s.k / s.c0, tail = s.k % s.c0 * s.element;
  return written(core, b.memory, column, kBlockBytes, full, step) &&
         written(core, b.memory, column + full * step, tail, 1, 0);
}

// Unwritten rows of A and columns of B reach the same rows and columns of C; unwritten values of
// what C starts from reach their own.
void mark_values(Core& core, const Operand& c, const Operand& a, const Operand& b,
                 const Operand* bias, bool accumulates, const Shape& s) {
  Shadow& shadow = core.memory(Memory::kL0c).shadow;
  std::vector<bool> columns(static_cast<size_t>(s.n));
  for (int64_t n = 0; n < s.n; ++n) {
    columns[static_cast<size_t>(n)] =
        column_written(core, b, s, n) &&
        (bias == nullptr ||
         written(core, Memory::kBt, static_cast<int64_t>(bias->address) + n * 4, 4, 1, 0));
  }
  for (int64_t m = 0; m < s.m; ++m) {
    const bool row = row_written(core, a, s, m);
    for (int64_t n = 0; n < s.n; ++n) {
      const int64_t at =
          static_cast<int64_t>(c.address) + (n / 16 * s.m_blocks * 16 + m) * 64 + n % 16 * 4;
      const bool before = !accumulates || shadow.first_undefined(at, 4) < 0;
      shadow.set(at, 4, row && columns[static_cast<size_t>(n)] && before);
    }
  }
}

void check_call(Instruction& i, const Operand& c, const Operand& a, const Operand& b,
                const MmadCall& call) {
  require_field(i, {"m", call.m, 16, 4095});
  require_field(i, {"n", call.n, 16, 4095});
  require_field(i, {"k", call.k, 16, 4095});
  require_unit_flag_value(i, call.unit_flag);
  require_memory(i, c, c.memory == Memory::kL0c, "dst");
  require_memory(i, a, a.memory == Memory::kL0a, "fm");
  require_memory(i, b, b.memory == Memory::kL0b, "filter");
  i.require(types_fit(c.dtype, a.dtype, b.dtype), Check::kParameter, [&] {
    return std::string(name_of(a.dtype)) + " x " + name_of(b.dtype) + " -> " + name_of(c.dtype) +
           " is no combination of types that 2201 has";
  });
  i.require_aligned(c, kTileBytes, "dst");
  i.require_aligned(a, kFractalBytes, "fm");
  i.require_aligned(b, kFractalBytes, "filter");
}

}  // namespace

void mmad(const Operand& c, const Operand& a, const Operand& b, const MmadCall& call, Site site) {
  if (a.dtype == DType::kInt4) throw SimulatorBug("Mmad of int4");
  Instruction i(Pipe::kM, "Mmad", site);
  check_call(i, c, a, b, call);
  // 0: no operation; beyond the limits: reported, and without meaning.
  if (std::min({call.m, call.n, call.k}) <= 0 || std::max({call.m, call.n, call.k}) > 4095) return;
  if (!types_fit(c.dtype, a.dtype, b.dtype) || c.memory != Memory::kL0c) return;
  const Shape s = shape_of(a, call);
  declare_sources(i, a, b, s);
  Operand bias;
  bias.memory = Memory::kBt;
  bias.address = call.bias_address;
  const bool from_bias = !call.zero_init && call.bias_init;
  if (from_bias) {
    i.require_aligned(bias, 64, "bias");
    i.reads(region(bias, s.n * 4));
  }
  const bool accumulates = !call.zero_init && !from_bias;
  if (accumulates) c_values(c, s, [&](const Region& r) { i.reads(r); });
  c_values(c, s, [&](const Region& r) { i.writes(r); });
  c_surroundings(c, s, [&](const Region& r) { i.moves_to(r); });
  i.in_order = s.m / 16 * (s.n / 16) >= kSmallTiles;
  i.unit_flag = static_cast<uint8_t>(call.unit_flag);
  use_unit_flags(i, true, call.unit_flag, c.address, s.m_blocks * s.n_blocks * kTileBytes, 1, 0,
                 site);
  const ScalarState& state = i.core().state;
  MmadWork work;
  work.dtype = a.dtype;
  work.m = static_cast<uint16_t>(s.m);
  work.n = static_cast<uint16_t>(s.n);
  work.k = static_cast<uint16_t>(s.k);
  work.hf32 = a.dtype == DType::kFp32 && state.hf32;
  work.unit_flag = static_cast<uint8_t>(call.unit_flag);
  work.l0c_address = static_cast<uint32_t>(c.address);
  i.work = work;
  i.marks_results = true;
  const bool act = i.begin(c.dtype);
  if (i.valid() && i.used_unwritten()) {
    mark_values(i.core(), c, a, b, from_bias ? &bias : nullptr, accumulates, s);
  }
  if (!act) return;
  Machine& m = machine();
  const uint8_t* start_row = from_bias ? m.pointer(bias) : nullptr;
  if (c.dtype == DType::kInt32) {
    auto* values = reinterpret_cast<int32_t*>(m.pointer(c));
    start(values, s, call, start_row);
    multiply_int(s, m.pointer(a), m.pointer(b), values);
  } else {
    auto* values = reinterpret_cast<float*>(m.pointer(c));
    start(values, s, call, start_row);
    multiply_float(a.dtype, s, m.pointer(a), m.pointer(b), values, state);
  }
  c_surroundings(c, s, [&](const Region& r) {
    r.for_each_run([&](uint64_t begin, uint64_t length) {
      m.poison(c.plus_bytes(static_cast<int64_t>(begin - c.address)), static_cast<int64_t>(length));
    });
  });
}

}  // namespace ascsim
