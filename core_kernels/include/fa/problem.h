#pragma once

// A checked call: every default applied, every shape consistent, every host-visible length read.

#include <cstdint>
#include <vector>

#include "fa/call.h"

namespace fa {

// Tokens of one operand. Element (row, token, head, 0) is at
// data + row * row_stride + token * token_stride + head * head_stride (elements); `row` is the
// batch entry (padded), 0 (packed) or the page (paged, `token` being the slot).
struct TokenView {
  char* data = nullptr;
  DType dtype = DType::kOther;
  int64_t row_stride = 0;
  int64_t token_stride = 0;
  int64_t head_stride = 0;

  char* at(int64_t row, int64_t token, int64_t head) const {
    return data +
           (row * row_stride + token * token_stride + head * head_stride) * dtype_size(dtype);
  }
};

// One fp32 value per (entry, head, token).
struct RowView {
  float* data = nullptr;
  int64_t row_stride = 0;
  int64_t head_stride = 0;
  int64_t token_stride = 0;

  float& at(int64_t row, int64_t token, int64_t head) const {
    return data[row * row_stride + token * token_stride + head * head_stride];
  }
};

// One batch entry with its effective lengths. Token numbers are absolute in the operand's row.
struct BatchEntry {
  int64_t q_row = 0;    // row of q (0 when packed)
  int64_t q_begin = 0;  // first token
  int32_t q_len = 0;
  int32_t q_capacity = 0;  // tokens of q that belong to the entry, used or not
  int64_t kv_row = 0;      // row of k and v, or of the page table
  int64_t kv_begin = 0;    // first visible token (after left padding)
  int32_t kv_len = 0;      // visible keys, appended ones included
  int32_t kv_capacity = 0;
  int64_t new_begin = 0;  // append: first new token, its row is the entry (padded) or 0 (packed)
  int32_t new_len = 0;
  int64_t append_at = 0;  // append: token of the cache that receives the first new key
  int64_t rotary_at = 0;  // rotary position of the first new key
};

// Visible keys of query i are [lo, hi) as `kv_range.h` computes it from these.
struct Mask {
  int64_t window_left = -1;  // causal is window_right = 0
  int64_t window_right = -1;
  int64_t attention_chunk = 0;
};

struct PagedLayout {
  const int32_t* page_table = nullptr;  // null = not paged
  int64_t row_stride = 0;
  int64_t max_pages = 0;
  int64_t num_pages = 0;
  int64_t page_size = 0;
};

struct Dropout {
  double p = 0;  // 0 = off
  uint64_t seed = 0;
  uint64_t offset = 0;
};

// fp32 [Hq] or [B,Hq] values, or null.
struct HeadValues {
  const float* data = nullptr;
  int64_t row_stride = 0;
  int64_t head_stride = 0;

  float at(int64_t row, int64_t head) const { return data[row * row_stride + head * head_stride]; }
};

struct Rotary {
  TokenView cos, sin;  // rows are positions (token), row_stride 0
  int32_t dim = 0;     // 0 = off
  int64_t positions = 0;
  bool interleaved = true;
  bool same_q_position = false;  // neither causal nor windowed: all queries at the first position
};

// A value for each query head, in the dtype that the caller has.
struct SinkValues {
  const void* data = nullptr;  // null = not given
  DType dtype = DType::kOther;
  int64_t stride = 0;
};

// Lengths as the caller has them, for back ends that read them on the device. Null = not given.
struct LengthAddresses {
  const int32_t* cu_seqlens_q = nullptr;      // [B + 1]
  const int32_t* cu_seqlens_k = nullptr;      // [B + 1]
  const int32_t* seqused_q = nullptr;         // [B]
  const int32_t* seqused_k = nullptr;         // [B]
  const int32_t* leftpad = nullptr;           // [B]
  const int32_t* batch_idx = nullptr;         // [B]
  const int32_t* cu_seqlens_k_new = nullptr;  // [B + 1]
  const int32_t* rotary_seqlens = nullptr;    // [B]
};

// Dimensions and semantics shared by forward and backward.
struct Geometry {
  Device device = Device::kCpu;
  int32_t batch = 0;
  int32_t q_heads = 0;
  int32_t kv_heads = 0;
  int32_t group = 0;  // q_heads / kv_heads
  int32_t head_dim = 0;
  int32_t value_dim = 0;
  int64_t q_tokens = 0;  // tokens per row of q
  int64_t q_rows = 0;    // rows of q: batch (padded) or 1 (packed)
  int64_t kv_tokens = 0;
  int64_t kv_rows = 0;
  // The longest sequences; upper bounds that follow from shapes where lengths were not read.
  int32_t max_q_len = 0;
  int32_t max_kv_len = 0;
  std::vector<BatchEntry> entries;  // empty where lengths were not read
  Mask mask;
  float scale = 0;
  float softcap = 0;
  Dropout dropout;
  HeadValues alibi;
  bool alibi_by_column = false;  // LSE convention of v2 under causal: bias slope * column
  std::vector<float> sink;       // [Hq] or empty; read from sink_values in host memory
  SinkValues sink_values;        // [Hq]
  float empty_lse = 0;           // LSE of a row without visible keys
};

struct ForwardProblem {
  Geometry geometry;
  TokenView q, k, v, qv, out;
  RowView lse;
  TensorView probs;
  LengthAddresses lengths;
  PagedLayout paged;
  HeadValues q_descale, k_descale, v_descale;
  TokenView k_new, v_new;
  int64_t new_tokens = 0;  // of a row of k_new
  Rotary rotary;
  TensorView out_accum, lse_accum;
  DType q_dtype = DType::kOther;
  bool packed_q = false;
  PlanOptions options;
};

struct BackwardProblem {
  Geometry geometry;
  TokenView q, k, v, qv, out, dout, dq, dk, dv, dqv;
  RowView lse, dlse, softmax_d;
  int64_t softmax_d_tokens = 0;
  float* dsink = nullptr;
  int64_t dsink_stride = 0;
  PlanOptions options;
};

}  // namespace fa
