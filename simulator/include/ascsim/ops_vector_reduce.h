// Vector unit (pipe V): reductions.
#pragma once

#include <cstdint>

#include "ascsim/ops_vector.h"
#include "ascsim/types.h"

namespace ascsim {

enum class ReduceOp : uint8_t { kMax, kMin, kSum };

// What a maximum or minimum of a whole repeat leaves behind.
enum class ReduceResult : uint8_t { kValueIndex, kIndexValue, kValue, kIndex };

// One result per 32-byte block, per pair of lanes, or per repeat. `dst_step` is in units of what
// one repeat gives: 8 values, 128 bytes, one result.
void vector_block_reduce(const char* name, ReduceOp op, const Operand& dst, const Operand& src,
                         const Lanes& lanes, int64_t dst_step, Steps src_steps, Site site);
void vector_pair_reduce(const char* name, const Operand& dst, const Operand& src,
                        const Lanes& lanes, int64_t dst_step, Steps src_steps, Site site);
void vector_whole_reduce(const char* name, ReduceOp op, ReduceResult result, const Operand& dst,
                         const Operand& src, const Lanes& lanes, int64_t dst_step, Steps src_steps,
                         Site site);

// ReduceMax, ReduceMin, ReduceSum over all elements. Several instructions: passes over `tmp`, and
// the scalar unit stores the result, with flags in between.
struct ReduceAll {
  ReduceOp op = ReduceOp::kMax;
  Operand dst, src, tmp;
  Lanes lanes;  // counted, or repeats of any number with a mask
  int64_t repeat_step = 8;
  bool index = false;
};
void vector_reduce_all(const ReduceAll& reduce, Site site);

// The high-level forms over a matrix. `inner`: along the last axis (pattern AR), else along the
// first (RA). `padded`: rows are padded to 32 bytes.
struct ReducePattern {
  ReduceOp op = ReduceOp::kMax;
  Operand dst, src, tmp;
  int64_t rows = 0, columns = 0;
  bool inner = false;
  bool padded = true;
  bool reuse_source = false;
};
void vector_reduce_pattern(const ReducePattern& reduce, Site site);

struct Broadcast {
  Operand dst, src, tmp;
  int64_t dst_rows = 1, dst_columns = 1;
  int64_t src_rows = 1, src_columns = 1;
};
void vector_broadcast(const Broadcast& broadcast, Site site);

}  // namespace ascsim
