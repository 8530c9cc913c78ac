#include <algorithm>
#include <cmath>
#include <limits>

#include "problem/checks.h"
#include "problem/entries.h"
#include "problem/metadata.h"
#include "problem/normalize.h"

namespace fa {

static Status check_outputs(const ForwardCall& call, const Geometry& g) {
  DType out_dtype = call.q.dtype == DType::kFloat8E4M3 ? DType::kBFloat16 : call.q.dtype;
  FA_RETURN_IF_ERROR(check_device("out", call.out, g.device));
  FA_RETURN_IF_ERROR(check_dtype("out", call.out, {out_dtype}));
  FA_RETURN_IF_ERROR(check_last_stride("out", call.out));
  FA_RETURN_IF_ERROR(check_device("softmax_lse", call.lse, g.device));
  FA_RETURN_IF_ERROR(check_dtype("softmax_lse", call.lse, {DType::kFloat32}));
  if (call.q.rank == 3) {
    FA_RETURN_IF_ERROR(
        check_shape("out", call.out, {g.q_tokens, g.q_heads, g.value_dim}, "[Tq, Hq, Dv]"));
    return check_shape("softmax_lse", call.lse, {g.q_heads, g.q_tokens}, "[Hq, Tq]");
  }
  FA_RETURN_IF_ERROR(check_shape("out", call.out, {g.q_rows, g.q_tokens, g.q_heads, g.value_dim},
                                 "[B, Sq, Hq, Dv]"));
  return check_shape("softmax_lse", call.lse, {g.q_rows, g.q_heads, g.q_tokens}, "[B, Hq, Sq]");
}

static Status set_pages(const ForwardCall& call, ForwardProblem* problem) {
  const TensorView& table = call.cache.page_table;
  if (!table.defined) return {};
  Geometry& g = problem->geometry;
  FA_REQUIRE(call.api == Api::kV2 || !call.lengths.cu_seqlens_k.defined,
             "cu_seqlens_k: got a tensor, expected None with a page_table (use seqused_k)");
  FA_RETURN_IF_ERROR(check_device("page_table", table, g.device));
  FA_RETURN_IF_ERROR(check_dtype("page_table", table, {DType::kInt32}));
  FA_REQUIRE(table.rank == 2, "page_table: got shape ", table.shape(), ", expected [B, max_pages]");
  FA_REQUIRE(call.cache.batch_idx.defined || table.size[0] == g.batch, "page_table: got shape ",
             table.shape(), ", expected [", g.batch, ", max_pages]");
  FA_RETURN_IF_ERROR(check_last_stride("page_table", table));
  FA_REQUIRE(g.kv_tokens > 0, "k: got page size 0, expected at least 1");
  problem->paged = {int32_data(table), table.stride[0], table.size[1], g.kv_rows, g.kv_tokens};
  g.kv_tokens = table.size[1] * problem->paged.page_size;
  g.kv_rows = table.size[0];
  return {};
}

static Status check_cache_lengths(const ForwardCall& call, const Geometry& g) {
  const CacheViews& cache = call.cache;
  bool padded_kv = !call.lengths.cu_seqlens_k.defined || cache.page_table.defined;
  if (cache.batch_idx.defined) {
    FA_REQUIRE(padded_kv, "cache_batch_idx: got a tensor, expected None with cu_seqlens_k");
    FA_RETURN_IF_ERROR(check_lengths("cache_batch_idx", cache.batch_idx, g.device, g.batch));
  } else {
    FA_REQUIRE(!padded_kv || g.kv_rows == g.batch, "k: got batch ", g.kv_rows, ", expected ",
               g.batch, " (pass cache_batch_idx to pick cache rows)");
  }
  if (cache.leftpad.defined) {
    FA_RETURN_IF_ERROR(check_lengths("cache_leftpad", cache.leftpad, g.device, g.batch));
  }
  return {};
}

static Status set_append(const ForwardCall& call, ForwardProblem* problem) {
  const CacheViews& cache = call.cache;
  Geometry& g = problem->geometry;
  if (!cache.k_new.defined) {
    FA_REQUIRE(!cache.v_new.defined, "v: got a tensor, expected None without k");
    FA_REQUIRE(!cache.cu_seqlens_k_new.defined,
               "cu_seqlens_k_new: got a tensor, expected None without k");
    return {};
  }
  FA_REQUIRE(cache.v_new.defined, "v: got None, expected the new values beside k");
  FA_REQUIRE(call.lengths.seqused_k.defined,
             "cache_seqlens: got None, expected the cache lengths with k and v");
  FA_REQUIRE(!call.lengths.cu_seqlens_k.defined,
             "cu_seqlens_k: got a tensor, expected None when k and v are appended to a cache");
  bool packed = cache.cu_seqlens_k_new.defined;
  if (packed) {
    FA_RETURN_IF_ERROR(
        check_lengths("cu_seqlens_k_new", cache.cu_seqlens_k_new, g.device, g.batch + 1));
  }
  const TensorView* fresh[2] = {&cache.k_new, &cache.v_new};
  const char* names[2] = {"k", "v"};
  int64_t dims[2] = {g.head_dim, g.value_dim};
  for (int i = 0; i < 2; ++i) {
    FA_RETURN_IF_ERROR(check_device(names[i], *fresh[i], g.device));
    FA_RETURN_IF_ERROR(check_dtype(names[i], *fresh[i], {call.q.dtype}));
    FA_RETURN_IF_ERROR(packed
                           ? check_shape(names[i], *fresh[i], {kAny, g.kv_heads, dims[i]},
                                         "[Tnew, Hkv, D] with cu_seqlens_k_new")
                           : check_shape(names[i], *fresh[i], {g.batch, kAny, g.kv_heads, dims[i]},
                                         "[B, Snew, Hkv, D]"));
    FA_RETURN_IF_ERROR(check_last_stride(names[i], *fresh[i]));
  }
  int token = cache.k_new.rank - 3;
  FA_REQUIRE(cache.k_new.size[token] == cache.v_new.size[token], "v: got ", cache.v_new.size[token],
             " new tokens, expected ", cache.k_new.size[token], " (those of k)");
  problem->k_new = token_view(cache.k_new);
  problem->new_tokens = cache.k_new.size[token];
  problem->v_new = token_view(cache.v_new);
  return {};
}

static Status set_rotary(const ForwardCall& call, ForwardProblem* problem) {
  const CacheViews& cache = call.cache;
  const Geometry& g = problem->geometry;
  if (!cache.rotary_cos.defined) {
    FA_REQUIRE(!cache.rotary_sin.defined,
               "rotary_sin: got a tensor, expected None without rotary_cos");
    FA_REQUIRE(!cache.rotary_seqlens.defined,
               "rotary_seqlens: got a tensor, expected None without rotary_cos");
    return {};
  }
  FA_REQUIRE(cache.rotary_sin.defined, "rotary_sin: got None, expected a tensor beside rotary_cos");
  FA_REQUIRE(cache.k_new.defined, "rotary_cos: got a tensor, expected None without new k and v");
  if (call.q.dtype == DType::kFloat8E4M3) {
    return not_supported(
        "rotary_cos: got a tensor with float8_e4m3fn inputs, supported are float16, bfloat16 and "
        "float32");
  }
  const TensorView* tables[2] = {&cache.rotary_cos, &cache.rotary_sin};
  const char* names[2] = {"rotary_cos", "rotary_sin"};
  for (int i = 0; i < 2; ++i) {
    FA_RETURN_IF_ERROR(check_device(names[i], *tables[i], g.device));
    FA_RETURN_IF_ERROR(check_dtype(names[i], *tables[i], {call.q.dtype}));
    FA_RETURN_IF_ERROR(check_shape(names[i], *tables[i],
                                   {cache.rotary_cos.size[0], cache.rotary_cos.size[1]},
                                   "[rotary_len, rotary_dim / 2]"));
    FA_RETURN_IF_ERROR(check_last_stride(names[i], *tables[i]));
  }
  int64_t dim = cache.rotary_cos.size[1] * 2;
  FA_REQUIRE(dim >= 2 && dim <= g.head_dim, "rotary_cos: got rotary dim ", dim,
             ", expected 2 to the head dim ", g.head_dim);
  if (cache.rotary_seqlens.defined) {
    FA_RETURN_IF_ERROR(check_lengths("rotary_seqlens", cache.rotary_seqlens, g.device, g.batch));
  }
  Rotary& rotary = problem->rotary;
  rotary.dim = static_cast<int32_t>(dim);
  rotary.positions = cache.rotary_cos.size[0];
  rotary.interleaved = cache.rotary_interleaved;
  for (TokenView* view : {&rotary.cos, &rotary.sin}) {
    const TensorView& table = view == &rotary.cos ? cache.rotary_cos : cache.rotary_sin;
    *view = {static_cast<char*>(table.data), table.dtype, 0, table.stride[0], 0};
  }
  rotary.same_q_position =
      g.mask.window_left < 0 && g.mask.window_right < 0 && g.mask.attention_chunk == 0;
  return {};
}

static Status check_rotary_positions(const ForwardCall& call, const ForwardProblem& problem) {
  if (problem.rotary.dim == 0) return {};
  int64_t positions = call.cache.rotary_cos.size[0];
  for (const BatchEntry& entry : problem.geometry.entries) {
    int64_t q_count = problem.rotary.same_q_position ? std::min(entry.q_len, 1) : entry.q_len;
    int64_t needed = entry.rotary_at + std::max<int64_t>(entry.new_len, q_count);
    FA_REQUIRE(needed <= positions, "rotary_cos: got ", positions, " positions, expected at least ",
               needed);
  }
  return {};
}

// Scales of an int8 cache in host memory; those on a device are not looked at.
static Status check_scales(const char* name, const HeadValues& scales, int64_t rows,
                           const Geometry& g) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t head = 0; head < g.kv_heads; ++head) {
      float scale = scales.at(row, head);
      FA_REQUIRE(scale >= std::numeric_limits<float>::min() && std::isfinite(scale), name, ": got ",
                 scale, ", expected positive, finite scales of an int8 cache");
    }
  }
  return {};
}

// k_descale or v_descale of an int8 cache.
static Status set_scales(const char* name, const TensorView& view, const Geometry& g,
                         HeadValues* target) {
  FA_REQUIRE(view.defined, name, ": got None, expected the fp32 scales of an int8 cache");
  FA_RETURN_IF_ERROR(check_device(name, view, g.device));
  FA_RETURN_IF_ERROR(check_dtype(name, view, {DType::kFloat32}));
  bool per_head = view.rank == 1;
  FA_REQUIRE((per_head && view.size[0] == g.kv_heads) ||
                 (view.rank == 2 && view.size[0] == g.batch && view.size[1] == g.kv_heads),
             name, ": got shape ", view.shape(), ", expected [", g.kv_heads, "] or [", g.batch,
             ", ", g.kv_heads, "] ([Hkv] or [B, Hkv])");
  *target = head_values(view);
  if (g.device != Device::kCpu) return {};
  return check_scales(name, *target, per_head ? 1 : g.batch, g);
}

// A factor of fp8 inputs.
static Status set_descale(const char* name, const TensorView& view, DType dtype, const Geometry& g,
                          HeadValues* target) {
  if (!view.defined) return {};
  if (dtype != DType::kFloat8E4M3) {
    return not_supported(name, ": got a tensor with ", dtype_name(dtype),
                         " inputs, supported only with float8_e4m3fn");
  }
  FA_RETURN_IF_ERROR(check_device(name, view, g.device));
  FA_RETURN_IF_ERROR(check_dtype(name, view, {DType::kFloat32}));
  FA_RETURN_IF_ERROR(check_shape(name, view, {g.batch, g.kv_heads}, "[B, Hkv]"));
  *target = head_values(view);
  return {};
}

static Status set_descales(const ForwardCall& call, ForwardProblem* problem) {
  const Geometry& g = problem->geometry;
  DType dtype = call.q.dtype;
  FA_RETURN_IF_ERROR(set_descale("q_descale", call.q_descale, dtype, g, &problem->q_descale));
  if (call.k.dtype == DType::kInt8) {
    FA_RETURN_IF_ERROR(set_scales("k_descale", call.k_descale, g, &problem->k_descale));
    return set_scales("v_descale", call.v_descale, g, &problem->v_descale);
  }
  FA_RETURN_IF_ERROR(set_descale("k_descale", call.k_descale, dtype, g, &problem->k_descale));
  return set_descale("v_descale", call.v_descale, dtype, g, &problem->v_descale);
}

static Status check_probs(const ForwardCall& call, const Geometry& g) {
  if (!call.probs.defined) return {};
  FA_RETURN_IF_ERROR(check_device("S_dmask", call.probs, g.device));
  FA_RETURN_IF_ERROR(check_dtype("S_dmask", call.probs, {call.q.dtype}));
  FA_RETURN_IF_ERROR(
      check_shape("S_dmask", call.probs, {g.batch, g.q_heads, kAny, kAny}, "[B, Hq, Sq, Skv]"));
  FA_REQUIRE(call.probs.size[2] >= g.max_q_len && call.probs.size[3] >= g.max_kv_len,
             "S_dmask: got shape ", call.probs.shape(), ", expected at least ", g.max_q_len, " by ",
             g.max_kv_len);
  return check_last_stride("S_dmask", call.probs);
}

static Status check_options(const ForwardCall& call, ForwardProblem* problem) {
  const PlanOptions& options = call.options;
  int64_t limit = call.api == Api::kV2 ? 128 : kMaxSplits;
  FA_REQUIRE(options.num_splits >= 0 && options.num_splits <= limit, "num_splits: got ",
             options.num_splits, ", expected 0 (automatic) to ", limit);
  FA_REQUIRE(options.sm_margin >= 0, "sm_margin: got ", options.sm_margin, ", expected >= 0");
  problem->options = options;
  FA_RETURN_IF_ERROR(read_metadata(call.cache.metadata, problem));
  if (!call.out_accum.defined) return {};
  const Geometry& g = problem->geometry;
  FA_RETURN_IF_ERROR(check_dtype("out_accum", call.out_accum, {DType::kFloat32}));
  FA_RETURN_IF_ERROR(check_dtype("lse_accum", call.lse_accum, {DType::kFloat32}));
  int64_t splits = options.num_splits;
  if (problem->packed_q) {
    FA_RETURN_IF_ERROR(check_shape("out_accum", call.out_accum,
                                   {splits, g.q_heads, g.q_tokens, g.value_dim},
                                   "[num_splits, Hq, Tq, Dv]"));
    FA_RETURN_IF_ERROR(check_shape("lse_accum", call.lse_accum, {splits, g.q_heads, g.q_tokens},
                                   "[num_splits, Hq, Tq]"));
  } else {
    FA_RETURN_IF_ERROR(check_shape("out_accum", call.out_accum,
                                   {splits, g.q_rows, g.q_heads, g.q_tokens, g.value_dim},
                                   "[num_splits, B, Hq, Sq, Dv]"));
    FA_RETURN_IF_ERROR(check_shape("lse_accum", call.lse_accum,
                                   {splits, g.q_rows, g.q_heads, g.q_tokens},
                                   "[num_splits, B, Hq, Sq]"));
  }
  FA_RETURN_IF_ERROR(check_last_stride("out_accum", call.out_accum));
  problem->out_accum = call.out_accum;
  problem->lse_accum = call.lse_accum;
  return {};
}

// The one place where values of index tensors are looked at.
static Status use_values(const ForwardCall& call, ValueUse use, ForwardProblem* problem) {
  if (use == ValueUse::kRead) {
    FA_RETURN_IF_ERROR(forward_entries(call, problem->paged, &problem->geometry));
    return check_rotary_positions(call, *problem);
  }
  FA_RETURN_IF_ERROR(length_bounds(call.lengths, &problem->geometry));
  if (use == ValueUse::kLeave) return {};
  ForwardProblem discarded = *problem;
  return use_values(call, ValueUse::kRead, &discarded);
}

static LengthAddresses length_addresses(const ForwardCall& call) {
  const LengthViews& lengths = call.lengths;
  const CacheViews& cache = call.cache;
  return {int32_data(lengths.cu_seqlens_q),   int32_data(lengths.cu_seqlens_k),
          int32_data(lengths.seqused_q),      int32_data(lengths.seqused_k),
          int32_data(cache.leftpad),          int32_data(cache.batch_idx),
          int32_data(cache.cu_seqlens_k_new), int32_data(cache.rotary_seqlens)};
}

Status normalize_forward(const ForwardCall& call, ValueUse use, ForwardProblem* problem) {
  Geometry& g = problem->geometry;
  bool paged = call.cache.page_table.defined;
  SharedCall shared = {call.q,    call.k,         call.v,       call.qv,   call.alibi_slopes,
                       call.sink, call.rng_state, call.lengths, call.mask, call.score,
                       call.api,  paged,          true};
  FA_RETURN_IF_ERROR(shared_shapes(shared, &g));
  problem->packed_q = call.q.rank == 3;
  problem->q_dtype = call.q.dtype;
  FA_RETURN_IF_ERROR(set_pages(call, problem));
  FA_RETURN_IF_ERROR(shared_semantics(shared, &g));
  FA_RETURN_IF_ERROR(check_cache_lengths(call, g));
  FA_RETURN_IF_ERROR(set_append(call, problem));
  FA_RETURN_IF_ERROR(set_rotary(call, problem));
  FA_RETURN_IF_ERROR(set_descales(call, problem));
  FA_RETURN_IF_ERROR(check_outputs(call, g));
  FA_RETURN_IF_ERROR(use_values(call, use, problem));
  FA_RETURN_IF_ERROR(check_probs(call, g));
  FA_RETURN_IF_ERROR(check_options(call, problem));
  problem->q = token_view(call.q);
  problem->k = token_view(call.k);
  problem->v = token_view(call.v);
  problem->qv = token_view(call.qv);
  problem->out = token_view(call.out);
  problem->lse = row_view(call.lse);
  problem->probs = call.probs;
  if (use != ValueUse::kRead) problem->lengths = length_addresses(call);
  return {};
}

}  // namespace fa
