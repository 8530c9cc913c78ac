#include "npu/forward_args.h"

#include <algorithm>
#include <limits>

#include "npu/forward_plan.h"
#include "problem/dropout_bits.h"

namespace fa::npu {
namespace {

uint64_t address(const void* data) { return reinterpret_cast<uint64_t>(data); }

// Beyond any length, so that it means an open side.
int32_t window_side(int64_t side) {
  return static_cast<int32_t>(std::min<int64_t>(side, std::numeric_limits<int32_t>::max() / 2));
}

// `elements`: of the whole tensor; an empty one has no address that a kernel may know.
TensorArg tensor_arg(const TokenView& view, int64_t elements) {
  if (elements == 0) return {};
  return {address(view.data), view.row_stride, view.token_stride, view.head_stride};
}

void fill_tensors(const ForwardProblem& problem, ForwardArgs* args) {
  const Geometry& g = problem.geometry;
  int64_t queries = g.q_rows * g.q_tokens;
  int64_t keys = problem.paged.page_table ? problem.paged.num_pages : g.kv_rows * g.kv_tokens;
  args->q = tensor_arg(problem.q, queries);
  args->k = tensor_arg(problem.k, keys);
  args->v = tensor_arg(problem.v, keys);
  args->qv = tensor_arg(problem.qv, queries);
  args->out = tensor_arg(problem.out, queries);
  const RowView& lse = problem.lse;
  args->lse = {address(lse.data), lse.row_stride, lse.token_stride, lse.head_stride};
}

void fill_lengths(const ForwardProblem& problem, ForwardArgs* args) {
  const Geometry& g = problem.geometry;
  const LengthAddresses& lengths = problem.lengths;
  // With pages, cu_seqlens_k tells lengths only: the tokens have no common numbering.
  bool paged = problem.paged.page_table != nullptr;
  int64_t kv_tokens = paged ? std::numeric_limits<int32_t>::max() : g.kv_tokens;
  args->q_lengths = {address(lengths.cu_seqlens_q), address(lengths.seqused_q), g.max_q_len,
                     static_cast<int32_t>(g.q_tokens)};
  args->kv_lengths = {address(lengths.cu_seqlens_k), address(lengths.seqused_k), g.max_kv_len,
                      static_cast<int32_t>(kv_tokens)};
}

void fill_pages(const ForwardProblem& problem, ForwardArgs* args) {
  const PagedLayout& pages = problem.paged;
  args->pages.table = address(pages.page_table);
  args->pages.table_stride = pages.row_stride;
  args->pages.table_width = static_cast<int32_t>(pages.max_pages);
  args->pages.page_size = static_cast<int32_t>(pages.page_size);
  args->pages.page_count = static_cast<int32_t>(pages.num_pages);
}

void fill_shape(const Geometry& g, ForwardArgs* args) {
  args->batch = g.batch;
  args->q_heads = g.q_heads;
  args->kv_heads = g.kv_heads;
  args->head_dim = g.head_dim;
  args->value_dim = g.value_dim;
}

void fill_cache(const ForwardProblem& problem, ForwardArgs* args) {
  args->cache.leftpad = address(problem.lengths.leftpad);
  args->cache.batch_idx = address(problem.lengths.batch_idx);
  args->cache.cu_seqlens_new = address(problem.lengths.cu_seqlens_k_new);
  args->cache.rows = static_cast<int32_t>(problem.geometry.kv_rows);
  args->cache.capacity = static_cast<int32_t>(problem.geometry.kv_tokens);
  args->cache.new_limit = static_cast<int32_t>(problem.new_tokens);
  const SinkValues& sink = problem.geometry.sink_values;
  const Geometry& g = problem.geometry;
  args->alibi = {address(g.alibi.data), g.alibi.row_stride, g.alibi.head_stride,
                 g.alibi_by_column ? 1 : 0, 0};
  args->sink = {address(sink.data), sink.stride, static_cast<int32_t>(sink.dtype), 0};
}

ScaleArgs scale_args(const ForwardProblem& problem, const HeadValues& scales) {
  if (problem.k.dtype != DType::kInt8) return {};
  return {address(scales.data), scales.row_stride, scales.head_stride};
}

void fill_dropout(const ForwardProblem& problem, ForwardArgs* args) {
  const Dropout& dropout = problem.geometry.dropout;
  args->dropout.seed = dropout.seed;
  args->dropout.offset = dropout.offset;
  args->dropout.threshold = static_cast<int32_t>(dropout_threshold(dropout.p));
  args->dropout.kept = static_cast<float>(1.0 - dropout.p);
  if (!has_probs(problem)) return;
  const TensorView& probs = problem.probs;
  args->dropout.probs = {address(probs.data), probs.stride[0], probs.stride[2], probs.stride[1]};
  args->dropout.probs_rows = static_cast<int32_t>(probs.size[2]);
  args->dropout.probs_columns = static_cast<int32_t>(probs.size[3]);
}

void fill_scoring(const Geometry& g, ForwardArgs* args) {
  args->window_left = window_side(g.mask.window_left);
  args->window_right = window_side(g.mask.window_right);
  args->attention_chunk = window_side(g.mask.attention_chunk);
  args->scale = g.scale;
  args->softcap = g.softcap;
  args->empty_lse = g.empty_lse;
}

void fill_plan(const Plan& plan, ForwardArgs* args) {
  args->heads_per_row_group = plan.heads_per_row_group;
  args->cut = {plan.rows_per_task, plan.cut_blocks, plan.rest_rows};
  args->task_order = plan.task_order;
}

SplitArgs split_args(const ForwardProblem& problem, const Plan& plan, uint64_t workspace) {
  const Geometry& g = problem.geometry;
  SplitArgs splits = {};
  splits.count = plan.splits;
  if (problem.out_accum.defined) {
    const TensorView &out = problem.out_accum, &lse = problem.lse_accum;
    const bool packed = problem.packed_q;
    const int token = out.rank - 2, head = out.rank - 3;
    splits.out = {address(out.data), packed ? 0 : out.stride[1], out.stride[token],
                  out.stride[head]};
    splits.lse = {address(lse.data), packed ? 0 : lse.stride[1], lse.stride[token],
                  lse.stride[head]};
    splits.out_stride = out.stride[0];
    splits.lse_stride = lse.stride[0];
    return splits;
  }
  const int64_t rows = g.q_heads * g.q_tokens, dim = g.value_dim;
  const uint64_t begin = workspace + static_cast<uint64_t>(plan.partials_begin);
  // The combine kernel takes rows that lie side by side: queries of a head or heads of a query,
  // whichever there are more of.
  const bool by_heads = g.max_q_len < g.q_heads;
  const int64_t token = by_heads ? g.q_heads : 1, head = by_heads ? 1 : g.q_tokens;
  splits.out = {begin, rows * dim, token * dim, head * dim};
  splits.out_stride = g.q_rows * rows * dim;
  splits.lse_stride = g.q_rows * rows;
  const uint64_t out_bytes = static_cast<uint64_t>(plan.splits * splits.out_stride) * sizeof(float);
  splits.lse = {begin + out_bytes, rows, token, head};
  if (problem.packed_q) splits.out.batch_stride = splits.lse.batch_stride = 0;
  return splits;
}

}  // namespace

CombineArgs combine_args(const ForwardProblem& problem, const SplitArgs& partials) {
  ForwardArgs forward = {};
  fill_tensors(problem, &forward);
  fill_lengths(problem, &forward);
  const Geometry& g = problem.geometry;
  return {partials, forward.out, forward.lse, forward.q_lengths,
          g.batch,  g.q_heads,   g.value_dim, g.empty_lse};
}

AppendArgs append_args(const ForwardProblem& problem, const ForwardArgs& forward) {
  AppendArgs args = {};
  const Geometry& g = problem.geometry;
  args.k_new = tensor_arg(problem.k_new, problem.new_tokens);
  args.v_new = tensor_arg(problem.v_new, problem.new_tokens);
  args.k = forward.k;
  args.v = forward.v;
  args.q = tensor_arg(problem.q, g.q_rows * g.q_tokens);
  args.q_rotated = forward.q;
  args.q_lengths = forward.q_lengths;
  args.kv_lengths = forward.kv_lengths;
  args.pages = forward.pages;
  args.cache = forward.cache;
  const Rotary& rotary = problem.rotary;
  args.rotary.cos = address(rotary.cos.data);
  args.rotary.sin = address(rotary.sin.data);
  args.rotary.cos_stride = rotary.cos.token_stride;
  args.rotary.sin_stride = rotary.sin.token_stride;
  args.rotary.first_positions = address(problem.lengths.rotary_seqlens);
  args.rotary.positions = static_cast<int32_t>(rotary.positions);
  args.rotary.dim = rotary.dim;
  args.rotary.interleaved = rotary.interleaved ? 1 : 0;
  args.rotary.same_q_position = rotary.same_q_position ? 1 : 0;
  args.k_scale = forward.k_scale;
  args.v_scale = forward.v_scale;
  args.status = forward.status;
  args.batch = g.batch;
  args.q_heads = g.q_heads;
  args.kv_heads = g.kv_heads;
  args.head_dim = g.head_dim;
  args.value_dim = g.value_dim;
  return args;
}

ForwardArgs forward_args(const ForwardProblem& problem, const Plan& plan, uint64_t workspace) {
  ForwardArgs args = {};
  fill_tensors(problem, &args);
  fill_lengths(problem, &args);
  fill_pages(problem, &args);
  fill_cache(problem, &args);
  fill_shape(problem.geometry, &args);
  fill_scoring(problem.geometry, &args);
  fill_dropout(problem, &args);
  args.k_scale = scale_args(problem, problem.k_descale);
  args.v_scale = scale_args(problem, problem.v_descale);
  fill_plan(plan, &args);
  args.workspace = workspace + static_cast<uint64_t>(scratch_begin(plan));
  if (problem.rotary.dim > 0 && args.q.address != 0) {
    const Geometry& g = problem.geometry;
    const int64_t token = int64_t{g.q_heads} * g.head_dim;
    args.q = {workspace + static_cast<uint64_t>(plan.rotated_q_begin), g.q_tokens * token, token,
              g.head_dim};
    if (problem.packed_q) args.q.batch_stride = 0;
  }
  if (plan.splits > 1) args.splits = split_args(problem, plan, workspace);
  if (plan.status_bytes > 0) args.status = workspace;
  return args;
}

}  // namespace fa::npu
