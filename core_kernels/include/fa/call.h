#pragma once

// What the caller asked for, unchecked: one field per argument. `prepare_*` turns a call into a
// Problem (checked, defaults applied) and a Plan. B batch, Sq/Skv tokens per sequence, Tq/Tk packed
// tokens, Hq/Hkv heads, D head dim, Dv value dim. Undefined views are optional arguments not given.

#include <cstdint>

#include "fa/tensor_view.h"

namespace fa {

// The two public APIs differ in the LSE of empty rows, the LSE under ALiBi and window clamping.
enum class Api : uint8_t { kV2 = 2, kV3 = 3 };

struct MaskOptions {
  bool causal = false;
  int64_t window_left = -1;  // negative = open
  int64_t window_right = -1;
  int64_t attention_chunk = 0;  // 0 = off
};

struct ScoreOptions {
  double scale = 0;
  double softcap = 0;  // 0 = off
  double dropout_p = 0;
};

// Performance only: the result may change by rounding, never by meaning.
struct PlanOptions {
  int64_t num_splits = 1;  // 0 = chosen by the plan
  int pack_gqa = -1;       // -1 = chosen by the plan
  int64_t sm_margin = 0;   // cores left free
  int threads = 1;
  bool deterministic = true;
};

// Lengths and layout of the sequences; which ones are given decides the layout.
struct LengthViews {
  TensorView cu_seqlens_q;  // int32 [B+1]
  TensorView cu_seqlens_k;  // int32 [B+1]
  TensorView seqused_q;     // int32 [B]
  TensorView seqused_k;     // int32 [B]
  int64_t max_seqlen_q = -1;
  int64_t max_seqlen_k = -1;
};

struct CacheViews {
  TensorView leftpad;           // int32 [B]
  TensorView batch_idx;         // int32 [B]
  TensorView page_table;        // int32 [rows, max_pages]
  TensorView metadata;          // int32 [n]
  TensorView k_new;             // [B,Snew,Hkv,D] or [Tnew,Hkv,D]
  TensorView v_new;             // same with Dv
  TensorView cu_seqlens_k_new;  // int32 [B+1]
  TensorView rotary_cos;        // [rotary_len, rotary_dim/2]
  TensorView rotary_sin;
  TensorView rotary_seqlens;  // int32 [B]
  bool rotary_interleaved = true;
};

struct ForwardCall {
  TensorView q, k, v, qv;
  TensorView out, lse, probs, rng_state;
  TensorView alibi_slopes;                     // fp32 [Hq] or [B,Hq]
  TensorView sink;                             // [Hq]
  TensorView q_descale, k_descale, v_descale;  // fp32 [B,Hkv]
  TensorView out_accum, lse_accum;
  LengthViews lengths;
  CacheViews cache;
  MaskOptions mask;
  ScoreOptions score;
  PlanOptions options;
  Api api = Api::kV2;
};

struct BackwardCall {
  TensorView dout, q, k, v, qv, out, lse, dlse;
  TensorView dq, dk, dv, dqv, dsink, softmax_d;
  TensorView rng_state, alibi_slopes, sink;
  LengthViews lengths;
  MaskOptions mask;
  ScoreOptions score;
  PlanOptions options;
  Api api = Api::kV2;
};

struct CombineCall {
  TensorView out_partial;  // fp32 [splits,B,S,H,Dv]
  TensorView lse_partial;  // fp32 [splits,B,S,H]
  TensorView out;          // [B,S,H,Dv]
  TensorView lse;          // fp32 [B,S,H]
  Api api = Api::kV3;
  int threads = 1;
};

// Shape of a v3 `get_scheduler_metadata` call.
struct MetadataCall {
  int64_t batch, max_seqlen_q, max_seqlen_k, q_heads, kv_heads, head_dim, value_dim;
  DType dtype;
  int64_t page_size;  // 0 = not paged
  MaskOptions mask;
  bool has_softcap;
  PlanOptions options;
  Device device = Device::kCpu;  // that the calls will be for
};

}  // namespace fa
