#include "cpu/tile_io.h"

#include <algorithm>
#include <cstring>

#include "problem/dropout_bits.h"
#include "problem/kv_range.h"
#include "problem/page_map.h"

namespace fa::cpu {
namespace {

constexpr int kMaxDim = 512;
alignas(64) constexpr char kZeros[kMaxDim * sizeof(float)] = {};

int rows_in_strip(const RowBlock& block, int strip_index) {
  return std::min(block.strip, block.rows - strip_index * block.strip);
}

}  // namespace

const char* const kZeroRow = kZeros;

void describe_rows(const Geometry& geometry, int32_t entry_index, const HeadGroup& group,
                   int64_t row_begin, int rows, int strip, RowBlock* block) {
  const BatchEntry& entry = geometry.entries[static_cast<size_t>(entry_index)];
  KvRangeMask mask = {geometry.mask.window_left, geometry.mask.window_right,
                      geometry.mask.attention_chunk};
  block->rows = rows;
  block->strip = strip;
  block->strips = (rows + strip - 1) / strip;
  block->first_key = entry.kv_len;
  block->end_key = 0;
  for (int r = 0; r < block->strips * strip; ++r) {
    block->lo[r] = block->hi[r] = 0;
    block->slope[r] = block->diagonal[r] = 0;
    if (r >= rows) continue;
    PackedRow id = group.row(row_begin + r);
    KvRange keys = visible_keys(mask, id.q_index, entry.q_len, entry.kv_len);
    keys.hi -= FA_MUTATE("drop_key", 0, keys.hi > keys.lo ? 1 : 0);
    block->id[r] = id;
    block->lo[r] = keys.lo;
    block->hi[r] = keys.hi;
    if (keys.lo < keys.hi) {
      block->first_key = std::min(block->first_key, keys.lo);
      block->end_key = std::max(block->end_key, keys.hi);
    }
    if (geometry.alibi.data) {
      block->slope[r] = geometry.alibi.at(entry_index, id.q_head);
      block->diagonal[r] = static_cast<float>(id.q_index + entry.kv_len - entry.q_len);
    }
  }
}

StripRange strip_range(const RowBlock& block, int strip_index, int32_t key_begin, int keys) {
  int first = strip_index * block.strip;
  int32_t key_end = key_begin + keys;
  int32_t min_lo = key_end, max_lo = 0, min_hi = key_end, max_hi = 0;
  for (int r = first; r < first + rows_in_strip(block, strip_index); ++r) {
    if (block.lo[r] < block.hi[r]) {
      min_lo = std::min(min_lo, block.lo[r]);
      max_hi = std::max(max_hi, block.hi[r]);
    }
    max_lo = std::max(max_lo, block.lo[r]);
    min_hi = std::min(min_hi, block.hi[r]);
  }
  StripRange range;
  if (min_lo >= key_end || max_hi <= key_begin) return range;
  range.keys = std::min(key_end, max_hi) - key_begin;
  range.edge = max_lo > key_begin || min_hi < key_begin + range.keys;
  return range;
}

void kv_rows(const TokenView& view, const PagedLayout& paged, const BatchEntry& entry,
             int32_t kv_head, int32_t key_begin, int keys, const char** rows) {
  int64_t token = entry.kv_begin + key_begin;
  PageMap pages = {paged.page_table ? paged.page_table + entry.kv_row * paged.row_stride : nullptr,
                   paged.page_size};
  int64_t pitch = view.token_stride * dtype_size(view.dtype);
  for (int done = 0; done < keys;) {
    PageRun run = {entry.kv_row, token + done, keys - done};
    if (paged.page_table) run = pages.run(token + done, keys - done);
    const char* source = view.at(run.page, run.slot, kv_head);
    for (int64_t i = 0; i < run.count; ++i) rows[done + i] = source + i * pitch;
    done += static_cast<int>(run.count);
  }
}

void load_kv_tile(const Microkernels& isa, const TokenView& view, const PagedLayout& paged,
                  const BatchEntry& entry, int32_t kv_head, int32_t key_begin, int keys, int dim,
                  int pitch, float* target) {
  const char* rows[kTileKv];
  kv_rows(view, paged, entry, kv_head, key_begin, keys, rows);
  for (int j = 0; j < keys; ++j) isa.load_row(rows[j], view.dtype, dim, target + j * pitch);
}

static const char* row_address(const TokenView& view, const BatchEntry& entry, PackedRow id) {
  return view.at(entry.q_row, entry.q_begin + id.q_index, id.q_head);
}

void load_strip(const Microkernels& isa, const TokenView& view, const BatchEntry& entry,
                const RowBlock& block, int strip_index, int dim, float* target) {
  int strip = block.strip;
  int rows = rows_in_strip(block, strip_index);
  float row[kMaxDim];
  if (rows < strip) std::memset(target, 0, sizeof(float) * static_cast<size_t>(dim * strip));
  for (int r = 0; r < rows; ++r) {
    PackedRow id = block.id[strip_index * strip + r];
    isa.load_row(row_address(view, entry, id), view.dtype, dim, row);
    for (int i = 0; i < dim; ++i) target[i * strip + r] = row[i];
  }
}

void strip_rows(const TokenView& view, const BatchEntry& entry, const RowBlock& block,
                int strip_index, const uint16_t** rows) {
  for (int r = 0; r < block.strip; ++r) {
    int row = strip_index * block.strip + r;
    const char* address = row < block.rows ? row_address(view, entry, block.id[row]) : kZeroRow;
    rows[r] = reinterpret_cast<const uint16_t*>(address);
  }
}

void load_pair_strip(const PairKernels& kernels, const TokenView& view, const BatchEntry& entry,
                     const RowBlock& block, int strip_index, int dim, uint32_t* target) {
  const uint16_t* rows[kMaxStrip];
  strip_rows(view, entry, block, strip_index, rows);
  kernels.pair_strip(rows, dim, target);
}

void copy_pairs(const char* const* rows, int keys, int dim, uint32_t* target) {
  int pairs = (dim + 1) / 2;
  size_t bytes = sizeof(uint16_t) * static_cast<size_t>(dim);
  for (int j = 0; j < keys; ++j) std::memcpy(target + j * pairs, rows[j], bytes);
}

void pair_keys(const PairKernels& kernels, const char* const* rows, int keys, int dim, int pitch,
               uint32_t* target) {
  for (int j = 0; j < keys; j += 2) {
    const char* partner = rows[std::min(j + 1, keys - 1)];
    kernels.pair_rows(reinterpret_cast<const uint16_t*>(rows[j]),
                      reinterpret_cast<const uint16_t*>(partner), dim, target + j / 2 * pitch);
  }
}

void load_pair_rows(const TokenView& view, const BatchEntry& entry, const RowBlock& block, int rows,
                    int dim, int pitch, uint32_t* target) {
  std::memset(target, 0, sizeof(uint32_t) * static_cast<size_t>(rows * pitch));
  for (int r = 0; r < block.rows; ++r) {
    std::memcpy(target + r * pitch, row_address(view, entry, block.id[r]),
                sizeof(uint16_t) * static_cast<size_t>(dim));
  }
}

void load_strip_rows(const Microkernels& isa, const TokenView& view, const BatchEntry& entry,
                     const RowBlock& block, int strip_index, int dim, int pitch, float* target) {
  int rows = rows_in_strip(block, strip_index);
  std::memset(target, 0, sizeof(float) * static_cast<size_t>(block.strip * pitch));
  for (int r = 0; r < rows; ++r) {
    PackedRow id = block.id[strip_index * block.strip + r];
    isa.load_row(row_address(view, entry, id), view.dtype, dim, target + r * pitch);
  }
}

void store_strip(const Microkernels& isa, const float* source, const float* factor,
                 const TokenView& view, const BatchEntry& entry, const RowBlock& block,
                 int strip_index, int dim) {
  int strip = block.strip;
  float row[kMaxDim];
  for (int r = 0; r < rows_in_strip(block, strip_index); ++r) {
    PackedRow id = block.id[strip_index * strip + r];
    for (int i = 0; i < dim; ++i) row[i] = source[i * strip + r] * factor[r];
    isa.store_row(row, view.dtype, dim, const_cast<char*>(row_address(view, entry, id)));
  }
}

void fill_keep(const Geometry& geometry, int32_t entry, const RowBlock& block, int strip_index,
               int32_t key_begin, int keys, uint32_t* keep) {
  const Dropout& dropout = geometry.dropout;
  uint32_t threshold = dropout_threshold(dropout.p);
  std::memset(keep, 0, sizeof(uint32_t) * static_cast<size_t>(keys));
  HeadFamilies families = {};
  int drawn_for = -1;
  for (int r = 0; r < rows_in_strip(block, strip_index); ++r) {
    PackedRow id = block.id[strip_index * block.strip + r];
    if (id.q_head != drawn_for) {
      uint32_t head = static_cast<uint32_t>(entry * geometry.q_heads + id.q_head);
      families = dropout_head(dropout.seed, dropout.offset, head);
      drawn_for = id.q_head;
    }
    WordFamily row = dropout_row(families, static_cast<uint32_t>(id.q_index));
    uint32_t word = 0;
    for (int j = 0; j < keys; ++j) {
      uint32_t index = static_cast<uint32_t>(key_begin + j);
      if (j == 0 || index % 4 == 0) word = dropout_word(row, index / 4);
      uint32_t byte = (word >> (8 * (index % 4))) & 255u;
      keep[j] |= static_cast<uint32_t>(byte <= threshold) << r;
    }
  }
}

void clear_tokens(const TokenView& view, int64_t row, int64_t begin, int64_t end, int heads,
                  int dim) {
  for (int64_t token = begin; token < end; ++token) {
    for (int head = 0; head < heads; ++head) {
      std::memset(view.at(row, token, head), 0, static_cast<size_t>(dim * dtype_size(view.dtype)));
    }
  }
}

}  // namespace fa::cpu
