// Library functions of Ascend C that are many instructions: their documented result and temporary,
// as one instruction of fixed price per element.
#include <algorithm>
#include <string>
#include <vector>

#include "ops/reduce_lanes.h"

namespace ascsim {

namespace {

int64_t aligned(int64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

int64_t power_of_two_below(int64_t count) {
  int64_t power = 1;
  while (2 * power <= count) power *= 2;
  return power == count && count > 1 ? power / 2 : power;
}

void describe(Instruction& i, const Operand& dst, const Operand& src, int64_t elements) {
  VectorWork work;
  work.op = VectorClass::kHighLevel;
  work.dtype = src.dtype;
  work.elements = static_cast<uint32_t>(elements);
  work.repeats =
      static_cast<uint32_t>((bytes_of(src.dtype, elements) + kRepeatBytes - 1) / kRepeatBytes);
  work.dst = work_operand(dst, Steps{});
  work.src0 = work_operand(src, Steps{});
  i.work = work;
}

// The content of a temporary means nothing afterwards.
void use_temporary(Instruction& i, const Operand& tmp, int64_t bytes) {
  if (bytes == 0) return;
  i.require_aligned(tmp, kBlockBytes, "sharedTmpBuffer");
  i.moves_to(region(tmp, bytes));
}

// "GetReduceSumMaxMinTmpSize" and its relatives: what the host function answers for A2/A3.
int64_t temporary_of(const ReducePattern& r) {
  if (r.reuse_source) return 0;
  const int64_t bytes = bits_of(r.src.dtype) / 8;
  if (!r.inner) return power_of_two_below(r.rows) * aligned(r.columns * bytes);
  if (r.op == ReduceOp::kSum) return aligned(power_of_two_below(r.columns) * bytes);
  if (r.columns * bytes <= kBlockBytes) return 0;
  return r.rows * (r.columns * bytes < kRepeatBytes ? kBlockBytes : kRepeatBytes);
}

// The order of the sum is not documented: the sum in double, rounded once (inferred).
template <typename Format>
typename Format::Stored reduced(ReduceOp op, const uint8_t* src, int64_t count, int64_t step) {
  double sum = 0;
  typename Format::Stored best{};
  for (int64_t n = 0; n < count; ++n) {
    typename Format::Stored value;
    std::memcpy(&value, src + n * step, sizeof(value));
    const float wide = Format::load(value), held = Format::load(best);
    sum = n == 0 ? wide : sum + wide;
    if (n == 0 ||
        (held == held && (wide != wide || (op == ReduceOp::kMax ? wide > held : wide < held)))) {
      best = value;
    }
  }
  return op == ReduceOp::kSum ? Format::store(static_cast<float>(sum)) : best;
}

template <typename Format>
void reduce(const ReducePattern& r, int64_t row_bytes) {
  const uint8_t* src = machine().pointer(r.src);
  uint8_t* dst = machine().pointer(r.dst);
  const int64_t results = r.inner ? r.rows : r.columns;
  using Stored = typename Format::Stored;
  std::vector<Stored> values(static_cast<size_t>(results));
  for (int64_t n = 0; n < results; ++n) {
    constexpr auto kBytes = static_cast<int64_t>(sizeof(Stored));
    values[static_cast<size_t>(n)] =
        r.inner ? reduced<Format>(r.op, src + n * row_bytes, r.columns, kBytes)
                : reduced<Format>(r.op, src + n * kBytes, r.rows, row_bytes);
  }
  std::memcpy(dst, values.data(), values.size() * sizeof(Stored));
}

}  // namespace

void vector_reduce_pattern(const ReducePattern& r, Site site) {
  static constexpr const char* kNames[] = {"ReduceMax", "ReduceMin", "ReduceSum"};
  Instruction i(Pipe::kV, kNames[static_cast<int>(r.op)], site);
  i.require(r.src.dtype == DType::kFp32 || (r.src.dtype == DType::kFp16 && r.op != ReduceOp::kSum),
            Check::kParameter, [&] { return std::string(name_of(r.src.dtype)) + " is not taken"; });
  i.require(r.rows > 0 && r.columns > 0, Check::kParameter,
            [&] { return "shape " + std::to_string(r.rows) + " x " + std::to_string(r.columns); });
  i.require_aligned(r.dst, kBlockBytes, "dst");
  i.require_aligned(r.src, kBlockBytes, "src");
  const int64_t bytes = bits_of(r.src.dtype) / 8;
  const int64_t row_bytes = r.padded ? aligned(r.columns * bytes) : r.columns * bytes;
  i.reads(region(r.src, r.columns * bytes, static_cast<uint32_t>(r.rows), row_bytes));
  if (r.reuse_source) i.moves_to(region(r.src, r.rows * row_bytes));
  const int64_t temporary = temporary_of(r);
  use_temporary(i, r.tmp, temporary);
  i.writes(region(r.dst, (r.inner ? r.rows : r.columns) * bytes));
  describe(i, r.dst, r.src, r.rows * r.columns);
  if (!i.begin(r.src.dtype)) return;
  if (r.src.dtype == DType::kFp32) {
    reduce<Fp32>(r, row_bytes);
  } else {
    reduce<Fp16>(r, row_bytes);
  }
  if (r.reuse_source) machine().poison(r.src, r.rows * row_bytes);
  machine().poison(r.tmp, temporary);
}

void vector_broadcast(const Broadcast& b, Site site) {
  Instruction i(Pipe::kV, "BroadCast", site);
  const int64_t bytes = bits_of(b.src.dtype) / 8;
  const bool down = b.src_rows == 1 && b.src_columns == b.dst_columns;
  const bool across = b.src_columns == 1 && b.src_rows == b.dst_rows;
  i.require(down || across, Check::kParameter, [&] {
    return "shape " + std::to_string(b.src_rows) + " x " + std::to_string(b.src_columns) +
           " does not broadcast to " + std::to_string(b.dst_rows) + " x " +
           std::to_string(b.dst_columns);
  });
  i.require(across || b.dst_rows == 1 || b.src_columns * bytes % kBlockBytes == 0,
            Check::kAlignment, [&] {
              return "rows of " + std::to_string(b.src_columns * bytes) +
                     " bytes, must be a multiple of 32";
            });
  i.require_aligned(b.dst, kBlockBytes, "dst");
  i.require_aligned(b.src, kBlockBytes, "src");
  i.reads(region(b.src, b.src_rows * b.src_columns * bytes));
  // The minimum that "GetBroadCastMaxMinTmpSize" answers: more is used if there is more.
  const int64_t per_block = kBlockBytes / std::max<int64_t>(bytes, 2);
  const int64_t row = aligned(b.dst_columns * bytes);
  int64_t temporary = b.dst_rows > 1 && across ? per_block * kBlockBytes : 0;
  if (temporary > 0 && row != b.dst_columns * bytes) temporary += per_block * row;
  use_temporary(i, b.tmp, temporary);
  i.writes(region(b.dst, b.dst_rows * b.dst_columns * bytes));
  describe(i, b.dst, b.src, b.dst_rows * b.dst_columns);
  if (!i.begin(b.src.dtype)) return;
  const uint8_t* src = machine().pointer(b.src);
  uint8_t* dst = machine().pointer(b.dst);
  for (int64_t r = 0; r < b.dst_rows; ++r) {
    for (int64_t c = 0; c < b.dst_columns; ++c) {
      const int64_t from = (b.src_rows == 1 ? 0 : r) * b.src_columns + (b.src_columns == 1 ? 0 : c);
      std::memcpy(dst + (r * b.dst_columns + c) * bytes, src + from * bytes,
                  static_cast<size_t>(bytes));
    }
  }
  machine().poison(b.tmp, temporary);
}

}  // namespace ascsim
