#pragma once

// What kernels are told: one struct each, passed by value. Addresses are device addresses, 0 stands
// for "not given".

#include <cstdint>
#include <type_traits>

namespace fa::npu {

// Strides in elements; the head dim is contiguous.
struct TensorArg {
  uint64_t address;
  int64_t batch_stride;  // of a paged cache: from page to page; of a packed tensor: 0
  int64_t seq_stride;
  int64_t head_stride;
};

struct PageArgs {
  uint64_t table;        // [B, width] int32; 0: the cache is not paged
  int64_t table_stride;  // elements from one sequence's row to the next
  int32_t table_width;   // pages that a row of the table holds
  int32_t page_size;     // tokens
  int32_t page_count;    // pages of the cache: no id at or above is followed
  int32_t reserved;
};

struct LengthArgs {
  uint64_t cu_seqlens;  // [B + 1] int32: the tensor is packed; 0: it is padded
  uint64_t seqused;     // [B] int32: tokens that count; 0: all
  int32_t limit;        // upper bound of any sequence's length
  int32_t tokens;       // of a packed tensor in total
};

// Where the sequences of a cache are, and where they begin.
struct CacheArgs {
  uint64_t leftpad;    // [B] int32: keys before it do not count; 0: none
  uint64_t batch_idx;  // [B] int32: row of cache or page table; 0: the sequence's number
  // New tokens, which follow those that the cache holds; 0: padded, new_limit of each sequence.
  uint64_t cu_seqlens_new;  // [B + 1] int32: they are packed, new_limit in total
  int32_t rows;             // of the cache, or of the page table
  int32_t capacity;         // tokens of a sequence in the cache, or in its row of the page table
  int32_t new_limit;        // 0: nothing is appended
  int32_t reserved;
};

// Learnable sinks: a score of its own per query head, without a value.
struct SinkArgs {
  uint64_t values;  // [Hq] of fa::DType float32, float16 or bfloat16; 0: none
  int64_t stride;   // elements
  int32_t dtype;
  int32_t reserved;
};

// ALiBi: each score loses slope times the distance of its key from the query's own position.
struct AlibiArgs {
  uint64_t slopes;       // [Hq] or [B, Hq] fp32; 0: none. Only kernels with extras have it
  int64_t batch_stride;  // elements; 0: the same for all sequences
  int64_t head_stride;
  int32_t by_column;  // the LSE counts slope times column instead, as the original's v2 does
  int32_t reserved;
};

// The scales of an int8 cache: a key or value is code times scale.
struct ScaleArgs {
  uint64_t values;       // [Hkv] or [B, Hkv] fp32; 0: the cache is in the dtype of q
  int64_t batch_stride;  // elements; 0: the same for all sequences
  int64_t head_stride;
};

// Dropout: which keys are kept follows from numbers (problem/dropout_bits.h). Only kernels with
// extras have it.
struct DropoutArgs {
  uint64_t seed;
  uint64_t offset;
  // S_dmask [B, Hq, rows, columns], in the dtype of q: exp(score - maximum of the row), negative
  // where dropped, 0 where no key is seen; seq_stride is that of its rows. 0: not wanted.
  TensorArg probs;
  int32_t probs_rows;     // at least q_lengths.limit
  int32_t probs_columns;  // at least kv_lengths.limit
  int32_t threshold;      // a key is kept while its byte is at most this
  float kept;             // 1 - p; what is kept is divided by it
};

// Split-KV: `count` tasks share the keys of the same rows. Each stores its output and LSE in fp32,
// for the combine kernel.
struct SplitArgs {
  TensorArg out;       // [splits, B, Hq, Sq, Dv], of a packed tensor [splits, Hq, Tq, Dv]
  TensorArg lse;       // [splits, B, Hq, Sq], [splits, Hq, Tq]; seq_stride or head_stride 1
  int64_t out_stride;  // from split to split
  int64_t lse_stride;
  int32_t count;  // up to 1: not split; the results go to ForwardArgs.out and lse
  int32_t reserved;
};

// Which value in device memory was wrong. Every core has a line of its own in the status region:
// the words what, batch entry, value, and the largest value allowed; all 0 as long as nothing was
// wrong.
enum class WrongValue : int32_t {
  kNone,
  kCuSeqlensQ,
  kCuSeqlensK,
  kLengthQ,  // of cu_seqlens_q, against max_seqlen_q
  kLengthK,
  kSequsedQ,
  kSequsedK,
  kPage,
  kLeftpad,
  kBatchIdx,
  kCuSeqlensNew,
  kAppended,  // tokens of a sequence with the new ones, against what the cache has room for
  kRotaryPosition,
};

inline constexpr int32_t kStatusLineBytes = 64;  // of the scalar cache, so that cores do not share
inline constexpr int32_t kVectorCoresPerCore = 2;
inline constexpr int32_t kStatusLinesPerCore = 1 + kVectorCoresPerCore;  // and the cube core

// Which tasks come first. Late blocks of queries see more keys, where a mask ends at the diagonal.
enum class TaskOrder : int32_t {
  kEarlyBlocks,  // of all sequences
  kLateBlocks,
  kSequences,  // all blocks of one sequence, while L2 has its keys
};

// The queries of a sequence, in order, cut into the rows (query, head) of tasks: some blocks of
// `rows`, then blocks of `rest_rows`. Both are multiples of 16 up to what the bucket takes.
struct TaskCut {
  int32_t rows;
  int32_t blocks;  // of `rows`
  int32_t rest_rows;
};

struct ForwardArgs {
  TensorArg q;    // [B, Sq, Hq, D] or packed [Tq, Hq, D], fp16 or bf16
  TensorArg k;    // [B, Sk, Hkv, D], packed [Tk, Hkv, D] or pages [N, page, Hkv, D]
  TensorArg v;    // as k, with Dv
  TensorArg qv;   // as q, with Dv: its product with v counts as scores; address 0: not given
  TensorArg out;  // as q, with Dv
  TensorArg lse;  // [B, Hq, Sq] fp32, of a packed tensor [Hq, Tq]; address 0: not wanted
  LengthArgs q_lengths;
  LengthArgs kv_lengths;
  PageArgs pages;
  CacheArgs cache;
  SinkArgs sink;
  AlibiArgs alibi;
  DropoutArgs dropout;
  ScaleArgs k_scale, v_scale;  // only int8 kernels take them, and need both
  SplitArgs splits;
  uint64_t workspace;  // bytes: workspace_bytes_per_core(...) times cores
  uint64_t status;     // status region, zeroed; 0: not wanted
  int32_t batch;
  int32_t q_heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t value_dim;
  int32_t heads_per_row_group;  // 1, or a divisor of q_heads / kv_heads up to 128: packed rows
  int32_t window_left;          // negative = open
  int32_t window_right;         // negative = open; causal = 0
  float scale;
  float softcap;            // 0 = off
  float empty_lse;          // the LSE of a row that sees no key
  int32_t attention_chunk;  // 0 = off
  int32_t task_order;       // a TaskOrder
  TaskCut cut;
};

static_assert(std::is_trivially_copyable_v<ForwardArgs>);
static_assert(sizeof(TensorArg) == 32 && sizeof(PageArgs) == 32 && sizeof(LengthArgs) == 24);
static_assert(sizeof(CacheArgs) == 40 && sizeof(SinkArgs) == 24 && sizeof(AlibiArgs) == 32 &&
              sizeof(DropoutArgs) == 64 && sizeof(ScaleArgs) == 24 && sizeof(SplitArgs) == 88);
static_assert(sizeof(ForwardArgs) ==
              6 * 32 + 2 * 24 + 32 + 40 + 24 + 32 + 64 + 2 * 24 + 88 + 2 * 8 + 13 * 4 + 3 * 4);
static_assert(sizeof(ForwardArgs) % sizeof(uint64_t) == 0);

// Tables of rotary position embedding, in the dtype of q.
struct RotaryArgs {
  uint64_t cos, sin;               // [positions, dim / 2]
  int64_t cos_stride, sin_stride;  // from position to position
  uint64_t first_positions;        // [B] int32: of the first new token; 0: the cache's length
  int32_t positions;
  int32_t dim;              // 0: off
  int32_t interleaved;      // pairs (2i, 2i + 1), else (i, i + dim / 2)
  int32_t same_q_position;  // all queries at the first position
};

// Writes new keys (rotated) and values into the cache, and rotated queries into the workspace.
struct AppendArgs {
  TensorArg k_new;  // [B, Snew, Hkv, D] or packed [Tnew, Hkv, D]
  TensorArg v_new;
  TensorArg k;  // the cache, as in ForwardArgs
  TensorArg v;
  TensorArg q;
  TensorArg q_rotated;  // as q
  LengthArgs q_lengths;
  LengthArgs kv_lengths;
  PageArgs pages;
  CacheArgs cache;
  RotaryArgs rotary;
  ScaleArgs k_scale, v_scale;  // given: the cache is in int8
  uint64_t status;             // as in ForwardArgs
  int32_t batch;
  int32_t q_heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t value_dim;
  int32_t reserved;
};

static_assert(std::is_trivially_copyable_v<AppendArgs>);
static_assert(sizeof(RotaryArgs) == 56);
static_assert(sizeof(AppendArgs) == 6 * 32 + 2 * 24 + 32 + 40 + 56 + 2 * 24 + 8 + 6 * 4);
static_assert(sizeof(AppendArgs) % sizeof(uint64_t) == 0);

inline constexpr int32_t kMaxCombinedDim = 512;

// Merges the outputs of splits.
struct CombineArgs {
  SplitArgs partials;
  TensorArg out;         // [B, Sq, Hq, Dv] or packed [Tq, Hq, Dv]
  TensorArg lse;         // fp32; address 0: not wanted
  LengthArgs q_lengths;  // rows beyond are left alone
  int32_t batch;
  int32_t q_heads;
  int32_t value_dim;
  float empty_lse;  // the LSE of a row that no split has keys for
};

static_assert(std::is_trivially_copyable_v<CombineArgs>);
static_assert(sizeof(CombineArgs) == 88 + 2 * 32 + 24 + 4 * 4);
static_assert(sizeof(CombineArgs) % sizeof(uint64_t) == 0);

}  // namespace fa::npu
