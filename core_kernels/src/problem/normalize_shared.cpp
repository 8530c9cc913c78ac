#include <cmath>
#include <cstring>
#include <limits>

#include "problem/checks.h"
#include "problem/normalize.h"

namespace fa {

static Status check_operand(const char* name, const TensorView& view, const TensorView& q) {
  FA_RETURN_IF_ERROR(check_device(name, view, q.device));
  FA_REQUIRE(view.dtype == q.dtype, name, ": got dtype ", view.dtype_text(), ", expected ",
             dtype_name(q.dtype), " (the dtype of q)");
  return check_last_stride(name, view);
}

// A key/value cache may hold int8 beside queries of another dtype.
static Status check_keys(const SharedCall& call) {
  bool int8 = call.k.dtype == DType::kInt8 && call.q.dtype != DType::kFloat8E4M3;
  if (int8 && !call.takes_int8) {
    return not_supported("k: got int8, which has no backward, supported is ",
                         dtype_name(call.q.dtype), " (the dtype of q)");
  }
  if (!int8) {
    FA_RETURN_IF_ERROR(check_operand("k", call.k, call.q));
    return check_operand("v", call.v, call.q);
  }
  FA_RETURN_IF_ERROR(check_device("k", call.k, call.q.device));
  FA_RETURN_IF_ERROR(check_last_stride("k", call.k));
  FA_RETURN_IF_ERROR(check_device("v", call.v, call.q.device));
  FA_REQUIRE(call.v.dtype == DType::kInt8, "v: got dtype ", call.v.dtype_text(),
             ", expected int8 (the dtype of k)");
  return check_last_stride("v", call.v);
}

static Status check_heads(Geometry* g) {
  FA_REQUIRE(g->kv_heads > 0 && g->q_heads > 0 && g->q_heads % g->kv_heads == 0, "q: got ",
             g->q_heads, " heads, expected a positive multiple of the ", g->kv_heads,
             " heads of k");
  g->group = g->q_heads / g->kv_heads;
  for (int64_t dim : {g->head_dim, g->value_dim}) {
    if (dim < 1 || dim > kMaxHeadDim) {
      return not_supported("head dim: got ", dim, ", supported are 1 to ", kMaxHeadDim);
    }
  }
  return {};
}

static Status check_shapes(const SharedCall& call, Geometry* g) {
  const LengthViews& lengths = call.lengths;
  bool packed_q = lengths.cu_seqlens_q.defined;
  bool packed_k = lengths.cu_seqlens_k.defined && !call.paged;
  int q_rank = packed_q ? 3 : 4;
  int k_rank = packed_k ? 3 : 4;
  FA_REQUIRE(call.q.rank == q_rank, "q: got shape ", call.q.shape(), ", expected ",
             packed_q ? "[Tq, Hq, D] with cu_seqlens_q" : "[B, Sq, Hq, D]");
  FA_REQUIRE(call.k.rank == k_rank, "k: got shape ", call.k.shape(), ", expected ",
             packed_k ? "[Tk, Hkv, D] with cu_seqlens_k"
                      : (call.paged ? "[pages, page_size, Hkv, D]" : "[B, Skv, Hkv, D]"));
  FA_REQUIRE(call.v.rank == k_rank, "v: got shape ", call.v.shape(), ", expected that of k, ",
             call.k.shape(), ", but for the last dimension");
  for (int i = 0; i + 1 < k_rank; ++i) {
    FA_REQUIRE(call.v.size[i] == call.k.size[i], "v: got shape ", call.v.shape(),
               ", expected that of k, ", call.k.shape(), ", but for the last dimension");
  }
  FA_REQUIRE(call.k.size[k_rank - 1] == call.q.size[q_rank - 1], "k: got head dim ",
             call.k.size[k_rank - 1], ", expected ", call.q.size[q_rank - 1], " (head dim of q)");
  g->q_heads = static_cast<int32_t>(call.q.size[q_rank - 2]);
  g->kv_heads = static_cast<int32_t>(call.k.size[k_rank - 2]);
  g->head_dim = static_cast<int32_t>(call.q.size[q_rank - 1]);
  g->value_dim = static_cast<int32_t>(call.v.size[k_rank - 1]);
  g->q_tokens = call.q.size[q_rank - 3];
  g->q_rows = packed_q ? 1 : call.q.size[0];
  g->kv_tokens = call.k.size[k_rank - 3];
  g->kv_rows = packed_k ? 1 : call.k.size[0];
  return check_heads(g);
}

static Status check_batch(const SharedCall& call, Geometry* g) {
  const LengthViews& lengths = call.lengths;
  int64_t batch = call.q.size[0];
  if (lengths.cu_seqlens_q.defined) {
    FA_REQUIRE(lengths.cu_seqlens_q.rank == 1 && lengths.cu_seqlens_q.size[0] >= 1,
               "cu_seqlens_q: got shape ", lengths.cu_seqlens_q.shape(), ", expected [B + 1]");
    batch = lengths.cu_seqlens_q.size[0] - 1;
    FA_RETURN_IF_ERROR(
        check_lengths("cu_seqlens_q", lengths.cu_seqlens_q, call.q.device, batch + 1));
  }
  if (lengths.cu_seqlens_k.defined) {
    FA_RETURN_IF_ERROR(
        check_lengths("cu_seqlens_k", lengths.cu_seqlens_k, call.q.device, batch + 1));
  }
  if (lengths.seqused_q.defined) {
    FA_RETURN_IF_ERROR(check_lengths("seqused_q", lengths.seqused_q, call.q.device, batch));
  }
  if (lengths.seqused_k.defined) {
    FA_RETURN_IF_ERROR(
        check_lengths("seqused_k (cache_seqlens)", lengths.seqused_k, call.q.device, batch));
  }
  g->batch = static_cast<int32_t>(batch);
  return {};
}

// `causal` is a right window of 0; a window that covers everything is open. The two APIs draw that
// line differently, which shows only where "windowed" itself has a meaning (rotary, ALiBi LSE).
static Status set_mask(const SharedCall& call, Geometry* g) {
  int64_t left = call.mask.window_left, right = call.mask.window_right;
  int64_t kv_bound = g->kv_tokens, q_bound = g->q_tokens;
  if (call.lengths.cu_seqlens_k.defined && call.lengths.max_seqlen_k >= 0) {
    kv_bound = call.lengths.max_seqlen_k;
  }
  if (call.lengths.cu_seqlens_q.defined && call.lengths.max_seqlen_q >= 0) {
    q_bound = call.lengths.max_seqlen_q;
  }
  if (call.api == Api::kV2) {
    if (left >= kv_bound) left = -1;
    if (right >= kv_bound) right = -1;
  } else {
    if (left >= kv_bound - 1) left = -1;
    if (right >= q_bound - 1) right = -1;
  }
  if (call.mask.causal) right = 0;
  FA_REQUIRE(call.mask.attention_chunk >= 0, "attention_chunk: got ", call.mask.attention_chunk,
             ", expected a value >= 0 (0 = off)");
  g->mask.window_left = left < 0 ? -1 : left;
  g->mask.window_right = right < 0 ? -1 : right;
  g->mask.attention_chunk = call.mask.attention_chunk;
  return {};
}

static Status set_dropout(const SharedCall& call, Geometry* g) {
  g->dropout.p = call.score.dropout_p;
  if (g->dropout.p == 0) return {};
  FA_REQUIRE(call.rng_state.defined, "rng_state: got None, expected int64 [2] with dropout_p > 0");
  FA_REQUIRE(call.rng_state.device == Device::kCpu,
             "rng_state: got a tensor on a device, expected one on the CPU (the host reads it)");
  FA_RETURN_IF_ERROR(check_dtype("rng_state", call.rng_state, {DType::kInt64}));
  FA_RETURN_IF_ERROR(check_shape("rng_state", call.rng_state, {2}, "(seed, offset)"));
  const int64_t* state = static_cast<const int64_t*>(call.rng_state.data);
  g->dropout.seed = static_cast<uint64_t>(state[0]);
  g->dropout.offset = static_cast<uint64_t>(state[call.rng_state.stride[0]]);
  return {};
}

static Status set_alibi(const SharedCall& call, Geometry* g) {
  const TensorView& slopes = call.alibi_slopes;
  if (!slopes.defined) return {};
  FA_RETURN_IF_ERROR(check_device("alibi_slopes", slopes, call.q.device));
  FA_RETURN_IF_ERROR(check_dtype("alibi_slopes", slopes, {DType::kFloat32}));
  FA_REQUIRE((slopes.rank == 1 && slopes.size[0] == g->q_heads) ||
                 (slopes.rank == 2 && slopes.size[0] == g->batch && slopes.size[1] == g->q_heads),
             "alibi_slopes: got shape ", slopes.shape(), ", expected [", g->q_heads, "] or [",
             g->batch, ", ", g->q_heads, "]");
  g->alibi = head_values(slopes);
  g->alibi_by_column = call.api == Api::kV2 && g->mask.window_left < 0 && g->mask.window_right == 0;
  return {};
}

static float half_bits_to_float(uint16_t h) {
  int exponent = (h >> 10) & 31;
  float mantissa = static_cast<float>(h & 1023);
  float value =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024.0f + mantissa, exponent - 25);
  if (exponent == 31) {
    value = mantissa == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  }
  return h & 0x8000 ? -value : value;
}

static float read_float(const TensorView& view, int64_t i) {
  const char* at = static_cast<const char*>(view.data) + i * dtype_size(view.dtype);
  if (view.dtype == DType::kFloat32) {
    float value;
    std::memcpy(&value, at, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  if (view.dtype == DType::kFloat16) return half_bits_to_float(bits);
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

static Status set_sink(const SharedCall& call, Geometry* g) {
  if (!call.sink.defined) return {};
  FA_RETURN_IF_ERROR(check_device("learnable_sink", call.sink, call.q.device));
  FA_RETURN_IF_ERROR(check_dtype("learnable_sink", call.sink,
                                 {DType::kFloat32, DType::kFloat16, DType::kBFloat16}));
  FA_RETURN_IF_ERROR(check_shape("learnable_sink", call.sink, {g->q_heads}, "[Hq]"));
  g->sink_values = {call.sink.data, call.sink.dtype, call.sink.stride[0]};
  if (g->device != Device::kCpu) return {};
  for (int64_t h = 0; h < g->q_heads; ++h) {
    g->sink.push_back(read_float(call.sink, h * call.sink.stride[0]));
  }
  return {};
}

static Status check_query_dtype(const SharedCall& call) {
  if (call.api == Api::kV3) {
    return check_dtype("q", call.q,
                       {DType::kFloat16, DType::kBFloat16, DType::kFloat32, DType::kFloat8E4M3});
  }
  if (call.q.dtype == DType::kFloat8E4M3) {
    return not_supported("q: got float8_e4m3fn, supported are float16, bfloat16 and float32");
  }
  return check_dtype("q", call.q, {DType::kFloat16, DType::kBFloat16, DType::kFloat32});
}

Status shared_shapes(const SharedCall& call, Geometry* g) {
  FA_RETURN_IF_ERROR(check_query_dtype(call));
  g->device = call.q.device;
  FA_RETURN_IF_ERROR(check_scores(call.score));
  FA_RETURN_IF_ERROR(check_shapes(call, g));
  FA_RETURN_IF_ERROR(check_last_stride("q", call.q));
  FA_RETURN_IF_ERROR(check_keys(call));
  if (call.qv.defined) {
    FA_RETURN_IF_ERROR(check_operand("qv", call.qv, call.q));
    bool packed = call.q.rank == 3;
    FA_RETURN_IF_ERROR(
        packed ? check_shape("qv", call.qv, {g->q_tokens, g->q_heads, g->value_dim}, "[Tq, Hq, Dv]")
               : check_shape("qv", call.qv, {g->q_rows, g->q_tokens, g->q_heads, g->value_dim},
                             "[B, Sq, Hq, Dv]"));
    if (call.q.dtype == DType::kFloat8E4M3) {
      return not_supported("qv: got float8_e4m3fn, supported are float16, bfloat16 and float32");
    }
  }
  return check_batch(call, g);
}

Status shared_semantics(const SharedCall& call, Geometry* g) {
  FA_RETURN_IF_ERROR(set_mask(call, g));
  FA_RETURN_IF_ERROR(set_dropout(call, g));
  FA_RETURN_IF_ERROR(set_alibi(call, g));
  FA_RETURN_IF_ERROR(set_sink(call, g));
  g->scale = static_cast<float>(call.score.scale);
  g->softcap = static_cast<float>(call.score.softcap);
  float infinity = std::numeric_limits<float>::infinity();
  bool no_keys = (!call.paged && g->kv_tokens == 0) || call.lengths.max_seqlen_k == 0;
  g->empty_lse = call.api == Api::kV2 || no_keys ? infinity : -infinity;
  return {};
}

}  // namespace fa
