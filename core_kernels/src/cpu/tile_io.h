#pragma once

// Between tensors and the fp32 tiles and strips of microkernel.h; shared by forward and backward.

#include "cpu/microkernel.h"
#include "fa/problem.h"
#include "plan/plan.h"
#include "problem/head_group.h"

namespace fa::cpu {

inline int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// A row of zeros as long as the widest one, in every dtype.
extern const char* const kZeroRow;

// Who the packed rows of a task are and which keys they see.
struct RowBlock {
  RowBlock() {}  // leaves the arrays as they are

  int rows = 0;
  int strip = 0;  // rows of a strip
  int strips = 0;
  alignas(64) int32_t lo[kMaxRowsPerTask];
  alignas(64) int32_t hi[kMaxRowsPerTask];
  alignas(64) float slope[kMaxRowsPerTask];
  alignas(64) float diagonal[kMaxRowsPerTask];
  PackedRow id[kMaxRowsPerTask];
  int32_t first_key = 0;  // union over the rows, empty when first_key >= end_key
  int32_t end_key = 0;
};

// Keys of one strip of a RowBlock within a KV tile.
struct StripRange {
  int keys = 0;  // from the start of the tile; 0 = the strip sees nothing of it
  bool edge = false;
};

void describe_rows(const Geometry& geometry, int32_t entry, const HeadGroup& group,
                   int64_t row_begin, int rows, int strip, RowBlock* block);

StripRange strip_range(const RowBlock& block, int strip_index, int32_t key_begin, int keys);

// Addresses of the rows of `keys` keys of one KV head; paged.page_table selects the paged layout.
void kv_rows(const TokenView& view, const PagedLayout& paged, const BatchEntry& entry,
             int32_t kv_head, int32_t key_begin, int keys, const char** rows);

// Rows that are read across keys are this much longer in a tile: with a power of two between them
// they would share few sets of the first level of the cache.
inline constexpr int kTilePadding = 16;

// fp32 [keys][pitch] of the same rows.
void load_kv_tile(const Microkernels& isa, const TokenView& view, const PagedLayout& paged,
                  const BatchEntry& entry, int32_t kv_head, int32_t key_begin, int keys, int dim,
                  int pitch, float* target);

// fp32 [dim][strip] of rows strip_index * strip ...; rows past the block are 0.
void load_strip(const Microkernels& isa, const TokenView& view, const BatchEntry& entry,
                const RowBlock& block, int strip_index, int dim, float* target);

// Addresses of the rows of a strip; those past the block are kZeroRow.
void strip_rows(const TokenView& view, const BatchEntry& entry, const RowBlock& block,
                int strip_index, const uint16_t** rows);

// bf16 values of a strip in pairs, [pairs of dim][strip]; with an odd dim the last pairs have a 0.
void load_pair_strip(const PairKernels& kernels, const TokenView& view, const BatchEntry& entry,
                     const RowBlock& block, int strip_index, int dim, uint32_t* target);

// Rows of bf16 keys as they are, [keys][pairs of dim].
void copy_pairs(const char* const* rows, int keys, int dim, uint32_t* target);

// The same rows in pairs of keys, [pairs of keys][pitch]. A last key without partner has itself,
// which PairGemm ignores.
void pair_keys(const PairKernels& kernels, const char* const* rows, int keys, int dim, int pitch,
               uint32_t* target);

// bf16 values of the first rows of a block as they are, [rows][pitch] pairs, zero-padded.
void load_pair_rows(const TokenView& view, const BatchEntry& entry, const RowBlock& block, int rows,
                    int dim, int pitch, uint32_t* target);

// fp32 [strip][pitch] of the rows of a strip, zero-padded.
void load_strip_rows(const Microkernels& isa, const TokenView& view, const BatchEntry& entry,
                     const RowBlock& block, int strip_index, int dim, int pitch, float* target);

// Writes source[i][row] * factor[row] to the rows of `view`.
void store_strip(const Microkernels& isa, const float* source, const float* factor,
                 const TokenView& view, const BatchEntry& entry, const RowBlock& block,
                 int strip_index, int dim);

// Bit r of keep[j]: row r of the strip keeps key key_begin + j.
void fill_keep(const Geometry& geometry, int32_t entry, const RowBlock& block, int strip_index,
               int32_t key_begin, int keys, uint32_t* keep);

// Writes `value` = 0 rows of `dim` elements for tokens [begin, end) of all heads.
void clear_tokens(const TokenView& view, int64_t row, int64_t begin, int64_t end, int heads,
                  int dim);

// Calls clear(row, begin, end) for every token range of the query (or key) side that no entry uses.
template <typename Clear>
void for_unused_tokens(const Geometry& geometry, bool queries, Clear&& clear);

// ---- implementation of the template
// ---------------------------------------------------------------

template <typename Clear>
void for_unused_tokens(const Geometry& geometry, bool queries, Clear&& clear) {
  int64_t rows = queries ? geometry.q_rows : geometry.kv_rows;
  int64_t tokens = queries ? geometry.q_tokens : geometry.kv_tokens;
  int64_t row = 0, next = 0;  // everything before (row, next) is used or cleared
  for (const BatchEntry& entry : geometry.entries) {
    int64_t entry_row = queries ? entry.q_row : entry.kv_row;
    int64_t begin = queries ? entry.q_begin : entry.kv_begin;
    int64_t length = queries ? entry.q_len : entry.kv_len;
    for (; row < entry_row; ++row, next = 0) clear(row, next, tokens);
    if (next < begin) clear(row, next, begin);
    next = begin + length;
  }
  for (; row < rows; ++row, next = 0) clear(row, next, tokens);
}

}  // namespace fa::cpu
