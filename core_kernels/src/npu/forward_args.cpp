#include "npu/forward_args.h"

#include <algorithm>
#include <limits>

#include "npu/forward_plan.h"

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

void fill_scoring(const Geometry& g, ForwardArgs* args) {
  args->window_left = window_side(g.mask.window_left);
  args->window_right = window_side(g.mask.window_right);
  args->scale = g.scale;
  args->softcap = g.softcap;
  args->empty_lse = g.empty_lse;
}

void fill_plan(const Plan& plan, ForwardArgs* args) {
  args->heads_per_row_group = plan.heads_per_row_group;
  args->task_rows = plan.rows_per_task;
  args->longest_first = plan.longest_first ? 1 : 0;
}

}  // namespace

ForwardArgs forward_args(const ForwardProblem& problem, const Plan& plan, uint64_t workspace) {
  ForwardArgs args = {};
  fill_tensors(problem, &args);
  fill_lengths(problem, &args);
  fill_pages(problem, &args);
  fill_shape(problem.geometry, &args);
  fill_scoring(problem.geometry, &args);
  fill_plan(plan, &args);
  args.workspace = workspace + static_cast<uint64_t>(scratch_begin(plan));
  if (plan.status_bytes > 0) args.status = workspace + static_cast<uint64_t>(plan.status_begin);
  return args;
}

}  // namespace fa::npu
