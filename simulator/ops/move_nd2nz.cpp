// DataCopy from GM to L1 that turns row-major matrices into columns of 32-byte blocks (ND2NZ).
//
// Page "DataCopy (GMToL1随路转换-ND2NZ搬运)": element (n, d) of matrix p comes from element
// p * srcNdMatrixStride + n * srcDValue + d and goes to matrix p, block (d / C0) * dstNzC0Stride +
// n * dstNzNStride, place d % C0. The rest of the last block of a row becomes zero.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "ops/move_plan.h"

namespace ascsim {

namespace {

constexpr int64_t kStrideLimit = 16384;  // rows, and strides on the side of L1

// In bytes.
struct Plan {
  int64_t matrices = 0, rows = 0, row_bytes = 0, columns = 0;  // columns: blocks in a row
  int64_t from_matrix = 0, from_row = 0;
  int64_t to_matrix = 0, to_row = 0, to_column = 0;
};

void require_fields(Instruction& i, const Nd2NzFields& f, int bytes) {
  require_field(i, "ndNum", f.matrices, kShortMax, 0, kBlockCountLimit);
  require_field(i, "nValue", f.rows, kShortMax, 0, kStrideLimit);
  require_field(i, "dValue", f.columns, kShortMax, 0, kShortMax);
  // A stride between things of which there is one means nothing.
  if (f.matrices > 1) {
    require_field(i, "srcNdMatrixStride", f.from_matrix_stride, kShortMax, 0, kShortMax);
    require_field(i, "dstNzMatrixStride", f.to_matrix_stride, kShortMax, 0, kStrideLimit);
    i.require(f.to_matrix_stride * bytes % kBlockBytes == 0, Check::kAlignment, [&] {
      return "dstNzMatrixStride " + std::to_string(f.to_matrix_stride) +
             " elements is not a multiple of 32 bytes";
    });
  }
  if (f.rows > 1) {
    require_field(i, "srcDValue", f.from_row_stride, kShortMax, 1, kShortMax);
    require_field(i, "dstNzNStride", f.to_row_stride, kShortMax, 1, kStrideLimit);
  }
  if (f.columns * bytes > kBlockBytes) {
    require_field(i, "dstNzC0Stride", f.to_column_stride, kShortMax, 1, kStrideLimit);
  }
}

Plan plan_of(const Nd2NzFields& f, int bytes) {
  Plan plan;
  plan.matrices = f.matrices;
  plan.rows = f.rows;
  plan.row_bytes = f.columns * bytes;
  plan.columns = (plan.row_bytes + kBlockBytes - 1) / kBlockBytes;
  plan.from_matrix = f.from_matrix_stride * bytes;
  plan.from_row = f.from_row_stride * bytes;
  plan.to_matrix = f.to_matrix_stride * bytes;
  plan.to_row = f.to_row_stride * kBlockBytes;
  plan.to_column = f.to_column_stride * kBlockBytes;
  return plan;
}

// Whether two blocks of one matrix have the same place.
bool blocks_collide(const Plan& p) {
  if (p.rows <= 1 || p.columns <= 1) return false;
  const int64_t common = std::gcd(p.to_row, p.to_column);
  return p.to_row / common < p.columns && p.to_column / common < p.rows;
}

// Whether matrices overwrite each other. A stride of 0 says that they shall.
bool matrices_collide(const Plan& p) {
  if (p.matrices <= 1 || p.to_matrix == 0) return false;
  const int64_t reach = (p.rows - 1) * p.to_row + (p.columns - 1) * p.to_column + kBlockBytes;
  if (p.to_matrix >= reach) return false;
  std::vector<int64_t> places;  // matrices that interleave: rare
  for (int64_t m = 0; m * p.to_matrix < reach && m < p.matrices; ++m) {
    for (int64_t c = 0; c < p.columns; ++c) {
      for (int64_t r = 0; r < p.rows; ++r) {
        places.push_back(m * p.to_matrix + c * p.to_column + r * p.to_row);
      }
    }
  }
  std::sort(places.begin(), places.end());
  return std::adjacent_find(places.begin(), places.end()) != places.end();
}

// The bytes of one matrix; what is known about them follows if the source is written throughout.
void move_matrix(const Plan& p, uint8_t* to, const uint8_t* from) {
  const int64_t whole = p.row_bytes / kBlockBytes;
  const auto rest = static_cast<size_t>(p.row_bytes % kBlockBytes);
  for (int64_t r = 0; r < p.rows; ++r) {
    const uint8_t* source = from + r * p.from_row;
    uint8_t* target = to + r * p.to_row;
    for (int64_t c = 0; c < whole; ++c) {
      std::memcpy(target + c * p.to_column, source + c * kBlockBytes, kBlockBytes);
    }
    if (rest != 0) {
      uint8_t* last = target + whole * p.to_column;
      std::memcpy(last, source + whole * kBlockBytes, rest);
      std::memset(last + rest, 0, kBlockBytes - rest);
    }
  }
}

void move_shadow(const Plan& p, const Region& target, const Operand& to, const Operand& from) {
  Machine& m = machine();
  int64_t to_offset = 0, from_offset = 0;
  Shadow& to_shadow = m.shadow(to, &to_offset);
  if (!to_shadow.on()) return;
  const Shadow& from_shadow = m.shadow(from, &from_offset);
  target.for_each_run([&](uint64_t begin, uint64_t length) {
    to_shadow.set(static_cast<int64_t>(begin), static_cast<int64_t>(length), true);
  });
  for (int64_t r = 0; r < p.rows; ++r) {
    const int64_t source = from_offset + r * p.from_row;
    if (from_shadow.first_undefined(source, p.row_bytes) < 0) continue;
    for (int64_t c = 0; c < p.columns; ++c) {
      const int64_t n = std::min(kBlockBytes, p.row_bytes - c * kBlockBytes);
      Shadow::copy(to_shadow, to_offset + r * p.to_row + c * p.to_column, from_shadow,
                   source + c * kBlockBytes, n);
    }
  }
}

}  // namespace

void data_copy_nd2nz(const Operand& to, const Operand& from, const Nd2NzFields& fields, bool cached,
                     Site site) {
  Instruction i(Pipe::kMte2, "DataCopy ND2NZ", site);
  i.require(from.memory == Memory::kGm && to.memory == Memory::kL1, Check::kParameter, [&] {
    return std::string("this chip has ND2NZ from GM to L1 only, not from ") + name_of(from.memory) +
           " to " + name_of(to.memory);
  });
  i.require(bits_of(to.dtype) <= 32 && to.dtype != DType::kNone, Check::kParameter, [&] {
    return std::string("ND2NZ moves elements of 1, 2 or 4 bytes, not ") + name_of(to.dtype);
  });
  const int bytes = element_bytes(to);  // int4 counts as int8 here (documented)
  require_fields(i, fields, bytes);
  if (!i.valid()) return;
  if (fields.matrices == 0 || fields.rows == 0 || fields.columns == 0) return;
  i.require_aligned(to, kBlockBytes, "dst");
  const Plan p = plan_of(fields, bytes);
  const auto u32 = [](int64_t n) { return static_cast<uint32_t>(n); };
  i.moves_from(region(from, p.row_bytes, u32(p.rows), p.from_row, u32(p.matrices), p.from_matrix));
  const auto target = [&](int64_t matrix) {
    return region(to.plus_bytes(matrix * p.to_matrix), kBlockBytes, u32(p.rows), p.to_row,
                  u32(p.columns), p.to_column);
  };
  const int64_t targets = p.to_matrix == 0 ? 1 : p.matrices;
  for (int64_t m = 0; m < targets; ++m) i.moves_to(target(m));
  i.require(!blocks_collide(p) && !matrices_collide(p), Check::kParameter,
            [] { return "parts of the destination overwrite each other"; });
  MoveWork work;
  work.path = MovePath::kGmToL1;
  work.nd2nz = true;
  work.cached = cached;
  work.gm_address = from.address;
  work.runs = u32(p.matrices * p.rows);
  work.run_bytes = u32(p.row_bytes);
  work.run_stride = p.rows > 1 ? p.from_row : p.from_matrix;
  i.work = work;
  if (!i.begin(to.dtype)) return;
  for (int64_t m = 0; m < p.matrices; ++m) {
    const Operand t = to.plus_bytes(m * p.to_matrix), f = from.plus_bytes(m * p.from_matrix);
    move_matrix(p, machine().pointer(t), machine().pointer(f));
    move_shadow(p, target(m), t, f);
  }
}

}  // namespace ascsim
