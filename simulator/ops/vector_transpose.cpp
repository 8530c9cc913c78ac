// TransDataTo5HD and Transpose (pages of these names).
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "ascsim/ops_vector_gather.h"
#include "ascsim/soc.h"
#include "ops/vector_plan.h"

namespace ascsim {

namespace {

constexpr int kRows = 16;

Operand ub_address(uint64_t address) {
  Operand at;
  at.memory = Memory::kUb;
  at.address = address;
  return at;
}

void describe(Instruction& i, VectorClass price, DType dtype, int64_t repeats, int64_t elements,
              uint64_t dst, uint64_t src) {
  VectorWork work;
  work.op = price;
  work.dtype = dtype;
  work.repeats = static_cast<uint32_t>(repeats);
  work.elements = static_cast<uint32_t>(elements);
  work.dst = work_operand(ub_address(dst), Steps{});
  work.src0 = work_operand(ub_address(src), Steps{});
  i.work = work;
}

// Elements with what is known about them: a transposition moves, it computes nothing.
class Elements {
 public:
  explicit Elements(int64_t bytes) : bytes_(bytes) {}

  void take(const Operand& at) {
    int64_t offset = 0;
    const Shadow& shadow = machine().shadow(at, &offset);
    known_.push_back(shadow.first_undefined(offset, bytes_) < 0);
    const uint8_t* from = machine().pointer(at);
    values_.insert(values_.end(), from, from + bytes_);
  }
  void put(size_t index, const Operand& at) const {
    int64_t offset = 0;
    std::memcpy(machine().pointer(at), values_.data() + static_cast<int64_t>(index) * bytes_,
                static_cast<size_t>(bytes_));
    machine().shadow(at, &offset).set(offset, bytes_, known_[index]);
  }

 private:
  int64_t bytes_;
  std::vector<uint8_t> values_;
  std::vector<bool> known_;
};

// Where element (row, column) of the source and of the result lie. A result row has 16 elements:
// half a block of 8-bit ones, a block of 16-bit ones, two blocks of 32-bit ones (two entries of the
// list that follow each other: inferred from the figure's text).
class Rows {
 public:
  Rows(const RowTranspose& t, int64_t repeat)
      : t_(t),
        bytes_(bits_of(t.dtype) / 8),
        // One repeat starts a step further, several start at the addresses given (page,
        // "repeatTimes").
        step_((t.repeats == 1 ? 1 : repeat) * kBlockBytes) {}

  int columns() const { return bytes_ == 4 ? 8 : 16; }
  Operand source(int row, int column) const {
    const int64_t half = bytes_ == 1 && t_.src_high ? kBlockBytes / 2 : 0;
    return ub_address(t_.src[row]).plus_bytes(step_ * t_.src_step + half + column * bytes_);
  }
  Operand result(int row, int column) const {
    const int64_t half = bytes_ == 1 && t_.dst_high ? kBlockBytes / 2 : 0;
    const int entry = bytes_ == 4 ? 2 * column + row / 8 : column;
    const int place = bytes_ == 4 ? row % 8 : row;
    return ub_address(t_.dst[entry]).plus_bytes(step_ * t_.dst_step + half + place * bytes_);
  }

 private:
  const RowTranspose& t_;
  int64_t bytes_, step_;
};

void move_rows(const RowTranspose& t, int64_t repeat) {
  const Rows rows(t, repeat);
  Elements elements(bits_of(t.dtype) / 8);
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < rows.columns(); ++column) elements.take(rows.source(row, column));
  }
  size_t index = 0;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < rows.columns(); ++column) {
      elements.put(index++, rows.result(row, column));
    }
  }
}

}  // namespace

void vector_transpose_rows(const RowTranspose& t, Site site) {
  Instruction i(Pipe::kV, "TransDataTo5HD", site);
  const int bits = bits_of(t.dtype);
  i.require((bits == 8 || bits == 16 || bits == 32) && t.dtype != DType::kBf16, Check::kParameter,
            [&] { return std::string(name_of(t.dtype)) + " is not taken"; });
  const auto fits = [](int64_t v, int64_t most) { return v >= 0 && v <= most; };
  i.require(fits(t.repeats, 255) && fits(t.dst_step, 65535) && fits(t.src_step, 65535),
            Check::kNarrowing, [&] {
              return "repeatTimes " + std::to_string(t.repeats) + " (at most 255), dstRepStride " +
                     std::to_string(t.dst_step) + ", srcRepStride " + std::to_string(t.src_step) +
                     " (65535)";
            });
  const auto repeats = static_cast<uint32_t>(i.valid() ? t.repeats : 0);
  const int64_t first = t.repeats == 1 ? kBlockBytes : 0;
  const bool half = bits == 8;
  for (int row = 0; row < kRows; ++row) {
    const Operand src = ub_address(t.src[row]), dst = ub_address(t.dst[row]);
    i.require_aligned(src, kBlockBytes, "srcList");
    i.require_aligned(dst, kBlockBytes, "dstList");
    const int64_t length = half ? kBlockBytes / 2 : kBlockBytes;
    i.moves_from(region(src.plus_bytes(first * t.src_step + (half && t.src_high ? length : 0)),
                        length, repeats, t.src_step * kBlockBytes));
    i.moves_to(region(dst.plus_bytes(first * t.dst_step + (half && t.dst_high ? length : 0)),
                      length, repeats, t.dst_step * kBlockBytes));
  }
  describe(i, VectorClass::kTranspose, t.dtype, repeats,
           int64_t{repeats} * kRows * (bits == 32 ? 8 : 16), t.dst[0], t.src[0]);
  if (!i.begin(t.dtype)) return;
  for (int64_t r = 0; r < t.repeats; ++r) move_rows(t, r);
}

void vector_transpose(const Operand& dst, const Operand& src, Site site) {
  Instruction i(Pipe::kV, "Transpose", site);
  i.require(src.dtype == DType::kFp16 || src.dtype == DType::kInt16 || src.dtype == DType::kUint16,
            Check::kParameter,
            [&] { return std::string(name_of(src.dtype)) + ", allowed fp16, int16, uint16"; });
  i.require_aligned(dst, kBlockBytes, "dst");
  i.require_aligned(src, kBlockBytes, "src");
  i.moves_from(region(src, kFractalBytes));
  i.moves_to(region(dst, kFractalBytes));
  describe(i, VectorClass::kTranspose, src.dtype, 1, kRows * kRows, dst.address, src.address);
  if (!i.begin(src.dtype)) return;
  RowTranspose t;
  t.repeats = 2;  // as of several: no step
  t.dtype = src.dtype;
  for (int row = 0; row < kRows; ++row) {
    t.src[row] = src.address + static_cast<uint64_t>(row * kBlockBytes);
    t.dst[row] = dst.address + static_cast<uint64_t>(row * kBlockBytes);
  }
  move_rows(t, 0);
}

void vector_transpose_axes(const AxisTranspose& t, Site site) {
  Instruction i(Pipe::kV, "Transpose", site);
  const int64_t bytes = bits_of(t.src.dtype) / 8;
  const auto fits = [](int64_t v) { return v >= 0 && v <= 4095; };
  i.require(fits(t.c) && fits(t.hw), Check::kParameter, [&] {
    return "cSize " + std::to_string(t.c) + ", hSize * wSize " + std::to_string(t.hw) +
           ", allowed 0 to 4095";
  });
  i.require(t.hw * bytes % kBlockBytes == 0, Check::kAlignment, [&] {
    return "hSize * wSize is " + std::to_string(t.hw * bytes) + " bytes, must be a multiple of 32";
  });
  i.require_aligned(t.dst, kBlockBytes, "dst");
  i.require_aligned(t.src, kBlockBytes, "src");
  i.require_aligned(t.tmp, kBlockBytes, "sharedTmpBuffer");
  const int64_t elements = t.n * t.c * t.hw;
  // Size of the temporary: table of the page.
  const int64_t tile = (bytes == 1 ? 32 : 16) * kBlockBytes;
  const int64_t temporary = elements == 0 ? 0 : (t.channels_last ? t.c + 2 : 2 * t.c + 1) * tile;
  i.moves_from(region(t.src, elements * bytes));
  if (elements > 0) i.moves_to(region(t.tmp, temporary));
  i.moves_to(region(t.dst, elements * bytes));
  describe(i, VectorClass::kHighLevel, t.src.dtype,
           (elements * bytes + kRepeatBytes - 1) / kRepeatBytes, elements, t.dst.address,
           t.src.address);
  if (!i.begin(t.src.dtype)) return;
  Elements values(bytes);
  for (int64_t e = 0; e < elements; ++e) values.take(t.src.plus_bytes(e * bytes));
  for (int64_t n = 0; n < t.n; ++n) {
    for (int64_t c = 0; c < t.c; ++c) {
      for (int64_t p = 0; p < t.hw; ++p) {
        const int64_t first = (n * t.c + c) * t.hw + p, last = (n * t.hw + p) * t.c + c;
        values.put(static_cast<size_t>(t.channels_last ? first : last),
                   t.dst.plus_bytes((t.channels_last ? last : first) * bytes));
      }
    }
  }
  machine().poison(t.tmp, temporary);
}

}  // namespace ascsim
