#include "problem/entries.h"

#include <algorithm>
#include <limits>

#include "problem/checks.h"

namespace fa {

Status side_lengths(const Side& side, int64_t entry, SideLengths* lengths) {
  *lengths = {entry, 0, side.tokens, side.tokens};
  if (side.cu_seqlens->defined) {
    const int32_t* cu = int32_data(*side.cu_seqlens);
    int64_t begin = cu[entry], end = cu[entry + 1];
    FA_REQUIRE(begin >= 0 && end >= begin, "cu_seqlens_", side.name, ": got ", begin, " then ", end,
               " at entry ", entry, ", expected non-negative values that never fall");
    FA_REQUIRE(side.lengths_only || end <= side.tokens, "cu_seqlens_", side.name, ": got ", end,
               " at entry ", entry + 1, ", expected at most ", side.tokens, " (tokens of ",
               side.name, ")");
    *lengths = {side.lengths_only ? entry : 0, side.lengths_only ? 0 : begin, end - begin,
                end - begin};
  }
  if (side.used->defined) {
    int64_t used = int32_data(*side.used)[entry];
    int64_t limit = side.lengths_only ? side.tokens : lengths->capacity;
    FA_REQUIRE(used >= 0 && used <= limit, "seqused_", side.name, " (cache_seqlens): got ", used,
               " at entry ", entry, ", expected 0 to ", limit);
    lengths->length = used;
  }
  bool bounded = side.cu_seqlens->defined && side.max_seqlen >= 0;
  FA_REQUIRE(!bounded || lengths->length <= side.max_seqlen, "max_seqlen_", side.name, ": got ",
             side.max_seqlen, ", expected at least ", lengths->length, ", the length of entry ",
             entry);
  return {};
}

static void set_query(const SideLengths& q, BatchEntry* entry) {
  entry->q_row = q.row;
  entry->q_begin = q.begin;
  entry->q_len = static_cast<int32_t>(q.length);
  entry->q_capacity = static_cast<int32_t>(q.capacity);
}

static void record_maxima(Geometry* geometry) {
  geometry->max_q_len = geometry->max_kv_len = 0;
  for (const BatchEntry& entry : geometry->entries) {
    geometry->max_q_len = std::max(geometry->max_q_len, entry.q_len);
    geometry->max_kv_len = std::max(geometry->max_kv_len, entry.kv_len);
  }
}

// The new keys of one entry: where they are and where they go.
static Status append_range(const ForwardCall& call, int64_t index, int64_t capacity,
                           BatchEntry* entry) {
  const CacheViews& cache = call.cache;
  if (!cache.k_new.defined) return {};
  int64_t tokens = cache.k_new.size[cache.k_new.rank - 3];
  const TensorView all_used;
  Side side = {"k_new", &cache.cu_seqlens_k_new, &all_used, -1, tokens, false};
  SideLengths fresh;
  FA_RETURN_IF_ERROR(side_lengths(side, index, &fresh));
  entry->new_begin = fresh.begin;
  entry->new_len = static_cast<int32_t>(fresh.length);
  int64_t total = entry->append_at + fresh.length;
  if (cache.page_table.defined) {
    FA_REQUIRE(total <= capacity, "page_table: got ", capacity,
               " tokens per entry (pages times page size), expected at least ", total,
               " for entry ", index, " (the block_table must also hold the appended keys)");
  }
  FA_REQUIRE(total <= capacity, "k_cache: got ", capacity, " tokens per entry, expected at least ",
             total, " for entry ", index, " (cache_seqlens plus new keys)");
  return {};
}

static Status check_pages(const PagedLayout& paged, const BatchEntry& entry, int64_t index,
                          int64_t end) {
  if (!paged.page_table || end <= entry.kv_begin) return {};
  int64_t capacity = paged.max_pages * paged.page_size;
  FA_REQUIRE(end <= capacity, "page_table: got ", capacity,
             " tokens per entry (pages times page size), expected at least ", end, " for entry ",
             index, " of the block_table");
  const int32_t* pages = paged.page_table + entry.kv_row * paged.row_stride;
  for (int64_t i = entry.kv_begin / paged.page_size; i * paged.page_size < end; ++i) {
    FA_REQUIRE(pages[i] >= 0 && pages[i] < paged.num_pages, "page_table: got page ", pages[i],
               " at entry ", index, " position ", i, ", expected 0 to ", paged.num_pages - 1);
  }
  return {};
}

static Status cache_row(const ForwardCall& call, int64_t rows, int64_t index, BatchEntry* entry) {
  if (!call.cache.batch_idx.defined) return {};
  entry->kv_row = int32_data(call.cache.batch_idx)[index];
  FA_REQUIRE(entry->kv_row >= 0 && entry->kv_row < rows, "cache_batch_idx: got ", entry->kv_row,
             " at entry ", index, ", expected 0 to ", rows - 1);
  return {};
}

static Status forward_entry(const ForwardCall& call, const PagedLayout& paged, const Side& q_side,
                            const Side& kv_side, Geometry* geometry, int64_t index) {
  BatchEntry entry;
  SideLengths q, kv;
  FA_RETURN_IF_ERROR(side_lengths(q_side, index, &q));
  FA_RETURN_IF_ERROR(side_lengths(kv_side, index, &kv));
  set_query(q, &entry);
  entry.kv_row = kv.row;
  FA_RETURN_IF_ERROR(cache_row(call, geometry->kv_rows, index, &entry));
  entry.append_at = entry.rotary_at = kv.length;
  if (call.cache.rotary_seqlens.defined) {
    entry.rotary_at = int32_data(call.cache.rotary_seqlens)[index];
    FA_REQUIRE(entry.rotary_at >= 0, "rotary_seqlens: got ", entry.rotary_at, " at entry ", index,
               ", expected a value >= 0");
  }
  FA_RETURN_IF_ERROR(append_range(call, index, kv.capacity, &entry));
  int64_t end = kv.length + entry.new_len;
  int64_t leftpad = call.cache.leftpad.defined ? int32_data(call.cache.leftpad)[index] : 0;
  FA_REQUIRE(leftpad >= 0 && leftpad <= end, "cache_leftpad: got ", leftpad, " at entry ", index,
             ", expected 0 to ", end, ", the entry's keys");
  entry.kv_begin = kv.begin + leftpad;
  entry.kv_len = static_cast<int32_t>(end - leftpad);
  entry.kv_capacity = static_cast<int32_t>(kv.capacity);
  FA_RETURN_IF_ERROR(check_pages(paged, entry, index, end));
  geometry->entries.push_back(entry);
  return {};
}

static Status check_token_count(const char* name, int64_t tokens) {
  FA_REQUIRE(tokens <= std::numeric_limits<int32_t>::max() / 2, name, ": got ", tokens,
             " tokens, expected at most ", std::numeric_limits<int32_t>::max() / 2);
  return {};
}

static int32_t length_bound(const TensorView& cu_seqlens, int64_t max_seqlen, int64_t tokens) {
  bool bounded = cu_seqlens.defined && max_seqlen >= 0;
  return static_cast<int32_t>(bounded ? std::min(max_seqlen, tokens) : tokens);
}

Status length_bounds(const LengthViews& lengths, Geometry* geometry) {
  FA_RETURN_IF_ERROR(check_token_count("q", geometry->q_tokens));
  FA_RETURN_IF_ERROR(check_token_count("k", geometry->kv_tokens));
  geometry->max_q_len =
      length_bound(lengths.cu_seqlens_q, lengths.max_seqlen_q, geometry->q_tokens);
  geometry->max_kv_len =
      length_bound(lengths.cu_seqlens_k, lengths.max_seqlen_k, geometry->kv_tokens);
  return {};
}

Status forward_entries(const ForwardCall& call, const PagedLayout& paged, Geometry* geometry) {
  const LengthViews& lengths = call.lengths;
  FA_RETURN_IF_ERROR(check_token_count("q", geometry->q_tokens));
  FA_RETURN_IF_ERROR(check_token_count("k", geometry->kv_tokens));
  bool paged_kv = paged.page_table != nullptr;
  Side q_side = {
      "q",  &lengths.cu_seqlens_q, &lengths.seqused_q, lengths.max_seqlen_q, geometry->q_tokens,
      false};
  Side kv_side = {
      "k",     &lengths.cu_seqlens_k, &lengths.seqused_k, lengths.max_seqlen_k, geometry->kv_tokens,
      paged_kv};
  geometry->entries.reserve(static_cast<size_t>(geometry->batch));
  for (int64_t i = 0; i < geometry->batch; ++i) {
    FA_RETURN_IF_ERROR(forward_entry(call, paged, q_side, kv_side, geometry, i));
  }
  record_maxima(geometry);
  return {};
}

Status backward_entries(const BackwardCall& call, Geometry* geometry) {
  const LengthViews& lengths = call.lengths;
  FA_RETURN_IF_ERROR(check_token_count("q", geometry->q_tokens));
  FA_RETURN_IF_ERROR(check_token_count("k", geometry->kv_tokens));
  Side q_side = {
      "q",  &lengths.cu_seqlens_q, &lengths.seqused_q, lengths.max_seqlen_q, geometry->q_tokens,
      false};
  Side kv_side = {
      "k",  &lengths.cu_seqlens_k, &lengths.seqused_k, lengths.max_seqlen_k, geometry->kv_tokens,
      false};
  for (int64_t i = 0; i < geometry->batch; ++i) {
    BatchEntry entry;
    SideLengths q, kv;
    FA_RETURN_IF_ERROR(side_lengths(q_side, i, &q));
    FA_RETURN_IF_ERROR(side_lengths(kv_side, i, &kv));
    set_query(q, &entry);
    entry.kv_row = kv.row;
    entry.kv_begin = kv.begin;
    entry.kv_len = static_cast<int32_t>(kv.length);
    entry.kv_capacity = static_cast<int32_t>(kv.capacity);
    geometry->entries.push_back(entry);
  }
  record_maxima(geometry);
  return {};
}

}  // namespace fa
