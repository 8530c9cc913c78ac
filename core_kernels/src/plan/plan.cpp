#include "plan/plan.h"

#include <algorithm>

#include "fa/attention.h"
#include "plan/task_list.h"

namespace fa {
namespace {

// Enough tasks to keep a handful of cores busy without looking at the machine: a plan that followed
// the core count would change results from one machine to the next.
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kMinKeysPerSplit = 512;
// Rows of an entry that are few on some unit: all of its heads may share a task.
constexpr int64_t kFewRows = 16;
// Enough for threads to end at about the same time.
constexpr int64_t kTasksPerThread = 4;
constexpr int64_t kMaxBackwardBytes = int64_t{64} << 20;
// Below this many multiply-adds a second thread costs more than it saves.
constexpr double kSerialWork = 1.5e6;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int32_t rows_per_task(int64_t head_dim, int64_t value_dim) {
  int64_t widest = std::max(head_dim, value_dim);
  if (widest <= 128) return kMaxRowsPerTask;
  return widest <= 256 ? kMaxRowsPerTask / 2 : kMaxRowsPerTask / 4;
}

int32_t thread_count(const PlanOptions& options, int64_t tasks, double work) {
  int64_t threads = std::max<int64_t>(1, options.threads - options.sm_margin);
  if (work < kSerialWork) threads = 1;
  return static_cast<int32_t>(std::max<int64_t>(1, std::min(threads, tasks)));
}

// Multiply-adds of all scores, masks ignored.
double total_work(const Geometry& g) {
  double scores = 0;
  for (const BatchEntry& entry : g.entries) scores += double(entry.q_len) * entry.kv_len;
  return scores * g.q_heads * (g.head_dim + g.value_dim);
}

int64_t row_count(const Geometry& g) { return g.q_rows * g.q_heads * g.q_tokens; }

}  // namespace

int32_t choose_splits(int64_t batch, int64_t q_len, int64_t kv_len, int64_t q_heads,
                      int64_t kv_heads, int64_t head_dim, int64_t value_dim) {
  if (batch <= 0 || q_len <= 0 || kv_heads <= 0) return 1;
  int64_t rows = q_len * (q_heads / kv_heads);
  int64_t blocks = ceil_div(rows, rows_per_task(head_dim, value_dim));
  int64_t tasks = rows <= kFewRows ? batch : batch * kv_heads * blocks;
  int64_t splits = std::min(ceil_div(kEnoughTasks, tasks), kv_len / kMinKeysPerSplit);
  return static_cast<int32_t>(std::max<int64_t>(1, splits));
}

ForwardWorkspace forward_workspace(const ForwardProblem& problem, const Plan& plan) {
  const Geometry& g = problem.geometry;
  ForwardWorkspace workspace;
  if (problem.rotary.dim > 0) {
    workspace.rotated_q = align_bytes(row_count(g) * g.head_dim * dtype_size(problem.q_dtype));
  }
  if (plan.splits > 1 && !problem.out_accum.defined) {
    workspace.partial_out = align_bytes(plan.splits * row_count(g) * g.value_dim * 4);
    workspace.partial_lse = align_bytes(plan.splits * row_count(g) * 4);
  }
  return workspace;
}

// Heads that share a task of few rows: as many as leave every thread some tasks.
static int32_t few_heads(const Geometry& g, const Plan& plan, int64_t threads) {
  int64_t heads = plan.pack_gqa ? g.kv_heads : g.q_heads;
  int64_t single = g.batch * heads * plan.splits;  // tasks of one head
  int64_t most = single / (threads == 1 ? 1 : kTasksPerThread * threads);
  return static_cast<int32_t>(std::max<int64_t>(1, std::min(heads, most)));
}

void plan_forward(const ForwardProblem& problem, int32_t few_rows, Plan* plan) {
  const Geometry& g = problem.geometry;
  const PlanOptions& options = problem.options;
  plan->rows_per_task = rows_per_task(g.head_dim, g.value_dim);
  plan->pack_gqa = options.pack_gqa != 0;
  plan->splits = static_cast<int32_t>(options.num_splits);
  if (plan->splits == 0) {
    plan->splits = choose_splits(g.batch, g.max_q_len, g.max_kv_len, g.q_heads, g.kv_heads,
                                 g.head_dim, g.value_dim);
  }
  if (problem.probs.defined) plan->splits = 1;  // S_dmask needs the row maximum over all keys
  plan->few_rows = few_rows;
  double work = total_work(g);
  plan->few_heads = few_heads(g, *plan, thread_count(options, plan->splits * row_count(g), work));
  plan->tasks = TaskList(g, *plan).size();
  plan->threads = thread_count(options, plan->tasks, work);
  ForwardWorkspace workspace = forward_workspace(problem, *plan);
  plan->workspace_bytes = workspace.rotated_q + workspace.partial_out + workspace.partial_lse;
}

int64_t padded_rows(const Geometry& g, int32_t strip) {
  int64_t rows = 0;
  for (const BatchEntry& entry : g.entries) {
    rows += ceil_div(int64_t{entry.q_len} * g.group, strip) * strip;
  }
  return rows * g.kv_heads;
}

BackwardWorkspace backward_workspace(const BackwardProblem& problem, const Plan& plan,
                                     int32_t strip) {
  const Geometry& g = problem.geometry;
  BackwardWorkspace workspace;
  if (!problem.softmax_d.data) workspace.delta = align_bytes(row_count(g) * 4);
  int64_t rows = padded_rows(g, strip);
  workspace.dq = align_bytes(plan.splits * rows * g.head_dim * 4);
  if (problem.qv.data) workspace.dqv = align_bytes(plan.splits * rows * g.value_dim * 4);
  return workspace;
}

void plan_backward(const BackwardProblem& problem, int32_t strip, Plan* plan) {
  const Geometry& g = problem.geometry;
  int64_t heads = std::max<int64_t>(1, int64_t{g.batch} * g.kv_heads);
  int64_t wanted = problem.options.deterministic ? kEnoughTasks : problem.options.threads;
  int64_t bytes = padded_rows(g, strip) * (g.head_dim + (problem.qv.data ? g.value_dim : 0)) * 4;
  int64_t splits = std::min({ceil_div(wanted, heads), ceil_div(g.max_kv_len, kTileKv),
                             kMaxBackwardBytes / std::max<int64_t>(1, bytes)});
  plan->rows_per_task = strip;
  plan->pack_gqa = true;
  plan->splits = static_cast<int32_t>(std::max<int64_t>(1, splits));
  plan->tasks = int64_t{g.batch} * g.kv_heads * plan->splits;
  plan->threads = thread_count(problem.options, plan->tasks, 2.5 * total_work(g));
  BackwardWorkspace workspace = backward_workspace(problem, *plan, strip);
  plan->workspace_bytes = workspace.delta + workspace.dq + workspace.dqv;
}

}  // namespace fa
