#include "npu/forward_plan.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "npu/kernel_args.h"
#include "npu/split_choice.h"
#include "npu/status_report.h"
#include "npu/task_cut.h"
#include "problem/checks.h"

namespace fa::npu {
namespace {

constexpr int32_t kRowUnit = 16;
constexpr int32_t kColumnUnit = 16;
constexpr int64_t kAlignment = 512;  // of regions of the workspace
constexpr int32_t kMaxPackedHeads = 128;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int32_t bucket(const KernelEntry& entry) { return entry.head_dim + entry.value_dim; }

bool has_extras(const ForwardProblem& problem) {
  const Geometry& g = problem.geometry;
  return g.alibi.data != nullptr || g.dropout.p > 0 || has_probs(problem);
}

// The kernel with the smallest bucket that takes the problem.
const KernelEntry* pick_kernel(const ForwardProblem& problem, const KernelObject& object) {
  const Geometry& g = problem.geometry;
  const bool int8 = problem.k.dtype == DType::kInt8;  // which have the extras
  const KernelEntry* best = nullptr;
  for (int32_t i = 0; i < object.kernel_count; ++i) {
    const KernelEntry& entry = object.kernels[i];
    bool fits = entry.role == KernelRole::kForward &&
                entry.dtype == static_cast<int32_t>(problem.q_dtype) && (entry.int8 != 0) == int8 &&
                (entry.int8 != 0 || (entry.extras != 0) == has_extras(problem)) &&
                entry.head_dim >= score_columns(problem) && entry.value_dim >= g.value_dim &&
                (entry.qv != 0 || !problem.qv.data);
    if (fits && (!best || bucket(entry) < bucket(*best))) best = &entry;
  }
  return best;
}

// Heads of a group beside each other: one pass over K and V serves them all. Where a head alone
// fills the rows of a task nothing is won, and a causal mask would cut more tiles.
int32_t packed_heads(const ForwardProblem& problem, int32_t max_rows) {
  const Geometry& g = problem.geometry;
  bool pack =
      problem.options.pack_gqa != 0 && (problem.options.pack_gqa > 0 || g.max_q_len < max_rows);
  int32_t heads = pack ? std::min({g.group, kMaxPackedHeads, max_rows}) : 1;
  while (g.group % heads != 0) --heads;
  return heads;
}

int64_t task_count(const Geometry& g, int32_t heads, const TaskCut& cut) {
  const int64_t size = cut.rows / heads, rest_size = cut.rest_rows / heads;
  const int64_t blocks = std::min<int64_t>(cut.blocks, ceil_div(g.max_q_len, size));
  const int64_t rest = std::max<int64_t>(0, g.max_q_len - blocks * size);
  return int64_t{g.batch} * (g.q_heads / heads) * (blocks + ceil_div(rest, rest_size));
}

// The largest tasks that still give every core one.
int32_t task_rows(const Geometry& g, int32_t heads, int32_t max_rows, int32_t cores) {
  int32_t rows = max_rows;
  int32_t fewest = static_cast<int32_t>(std::max(kFewestRows, ceil_div(heads, 16) * 16));
  while (rows / 2 >= fewest && rows / 2 % kRowUnit == 0 &&
         task_count(g, heads, {rows, 0, rows}) < cores) {
    rows /= 2;
  }
  return rows;
}

SplitWork split_work(const ForwardProblem& problem, const Plan& plan, int64_t tasks,
                     int64_t cores) {
  const Geometry& g = problem.geometry;
  const bool windowed = g.mask.window_left >= 0;
  const int64_t ahead = std::max<int64_t>(0, g.mask.window_right);
  const int64_t span = g.mask.window_left + ahead + g.max_q_len;
  SplitWork work;
  work.tasks = tasks;
  work.task_rows =
      std::min<int64_t>(plan.rows_per_task, int64_t{plan.heads_per_row_group} * g.max_q_len);
  work.rows = int64_t{g.batch} * g.q_heads * g.max_q_len;
  work.keys = g.max_kv_len;
  work.seen = windowed ? std::min<int64_t>(g.max_kv_len, span) : g.max_kv_len;
  work.sequences = int64_t{g.batch} * g.kv_heads;
  work.score_columns = score_columns(problem);
  work.value_dim = g.value_dim;
  work.cores = cores;
  return work;
}

// Chosen for tasks without splits that see all keys, or all up to the diagonal.
TaskCut task_cut(const ForwardProblem& problem, const Plan& plan, const KernelEntry& kernel,
                 int32_t cores) {
  const Geometry& g = problem.geometry;
  const int32_t heads = plan.heads_per_row_group;
  const TaskCut even = {plan.rows_per_task, 0, plan.rows_per_task};
  const bool by_sequences = plan.task_order == static_cast<int32_t>(TaskOrder::kSequences);
  const bool windowed = g.mask.window_left >= 0 || g.mask.attention_chunk > 0;
  const bool few = g.max_q_len * heads <= kFewestRows || g.batch == 0;
  if (by_sequences || windowed || few || plan.splits > 1) return even;
  CutWork work;
  work.queries = g.max_q_len;
  work.sequences = int64_t{g.batch} * (g.q_heads / heads);
  work.heads = heads;
  work.cores = cores;
  work.most_rows = kernel.max_task_rows;
  work.dim_columns = score_columns(problem) + g.value_dim;
  work.diagonal = g.mask.window_right >= 0;
  const TaskCut chosen = choose_cut(work);
  return work.diagonal && chosen.rows > even.rows ? even : chosen;  // there is one for each core
}

// Where few queries see many keys, all blocks have about the same work. With mla each task needs so
// many keys that those of a sequence should run at the same time and share them in L2.
TaskOrder task_order(const Geometry& g, const KernelEntry& kernel) {
  constexpr int64_t kFew = 16;
  if (kernel.qv != 0 && g.max_q_len * kFew <= g.max_kv_len) return TaskOrder::kSequences;
  return g.mask.window_right >= 0 ? TaskOrder::kLateBlocks : TaskOrder::kEarlyBlocks;
}

int64_t partial_bytes(const ForwardProblem& problem, const Plan& plan) {
  if (plan.splits == 1 || problem.out_accum.defined) return 0;
  const Geometry& g = problem.geometry;
  int64_t rows = g.q_rows * g.q_heads * g.q_tokens;
  return plan.splits * rows * (g.value_dim + 1) * static_cast<int64_t>(sizeof(float));
}

int64_t rotated_bytes(const ForwardProblem& problem) {
  if (problem.rotary.dim == 0) return 0;
  const Geometry& g = problem.geometry;
  return g.q_rows * g.q_tokens * g.q_heads * g.head_dim * dtype_size(problem.q_dtype);
}

}  // namespace

bool has_probs(const ForwardProblem& problem) {
  const TensorView& probs = problem.probs;
  return probs.defined && probs.size[0] * probs.size[1] * probs.size[2] * probs.size[3] > 0;
}

bool has_results(const ForwardProblem& problem) {
  const Geometry& g = problem.geometry;
  return g.q_rows * g.q_tokens > 0 || has_probs(problem);
}

int32_t score_columns(const ForwardProblem& problem) {
  const Geometry& g = problem.geometry;
  if (!problem.qv.data) return g.head_dim;
  const auto rounded = [](int32_t dim) {
    return static_cast<int32_t>(ceil_div(dim, kColumnUnit)) * kColumnUnit;
  };
  return rounded(g.head_dim) + rounded(g.value_dim);
}

int64_t scratch_begin(const Plan& plan) {
  return ceil_div(plan.status_bytes, kAlignment) * kAlignment;
}

Status available_cores(const KernelObject& object, int64_t margin, int32_t* cores) {
  const char* given = std::getenv("FLASH_ATTN_NPU_CORES");
  const int64_t there = object.cores();
  int64_t count = there;
  if (given && *given) {
    char* end = nullptr;
    errno = 0;
    count = std::strtoll(given, &end, 10);
    FA_REQUIRE(errno == 0 && *end == '\0' && count >= 1 && count <= there,
               "FLASH_ATTN_NPU_CORES: got ", given, ", expected 1 to ", there);
  }
  *cores = static_cast<int32_t>(std::max<int64_t>(1, count - std::min(margin, count)));
  return {};
}

const KernelEntry* find_kernel(const KernelObject& object, KernelRole role, DType dtype) {
  for (int32_t i = 0; i < object.kernel_count; ++i) {
    const KernelEntry& entry = object.kernels[i];
    if (entry.role == role && entry.dtype == static_cast<int32_t>(dtype)) return &entry;
  }
  return nullptr;
}

Status plan_forward(const ForwardProblem& problem, const KernelObject& object, Plan* plan) {
  const Geometry& g = problem.geometry;
  const KernelEntry* kernel = pick_kernel(problem, object);
  if (!kernel) {
    return not_supported("q: got ", dtype_name(problem.q_dtype), " with head dims ", g.head_dim,
                         " and ", g.value_dim, ", for which this build has no NPU kernel");
  }
  int32_t cores = 0;
  FA_RETURN_IF_ERROR(available_cores(object, problem.options.sm_margin, &cores));
  plan->isa = object.toolchain;
  plan->kernel = kernel->name;
  plan->heads_per_row_group = packed_heads(problem, kernel->max_task_rows);
  plan->pack_gqa = plan->heads_per_row_group > 1;
  plan->rows_per_task = task_rows(g, plan->heads_per_row_group, kernel->max_task_rows, cores);
  plan->task_order = static_cast<int32_t>(task_order(g, *kernel));
  const int32_t rows = plan->rows_per_task;
  int64_t tasks = task_count(g, plan->heads_per_row_group, {rows, 0, rows});
  plan->splits = static_cast<int32_t>(problem.options.num_splits);
  if (plan->splits == 0) {
    const int64_t fewest_keys = g.mask.window_left >= 0 ? 256 : 512;
    plan->splits =
        tasks > 0 ? choose_splits(split_work(problem, *plan, tasks, cores), fewest_keys) : 1;
  }
  if (has_probs(problem)) plan->splits = 1;  // S_dmask needs the row maximum over all keys
  const TaskCut cut = task_cut(problem, *plan, *kernel, cores);
  plan->rows_per_task = cut.rows;
  plan->cut_blocks = cut.blocks;
  plan->rest_rows = cut.rest_rows;
  plan->tasks = task_count(g, plan->heads_per_row_group, cut) * plan->splits;
  if (!has_results(problem) && !problem.k_new.data) return {};
  // One at least: tokens that no sequence owns are cleared.
  plan->cores = static_cast<int32_t>(std::clamp<int64_t>(plan->tasks, 1, cores));
  bool debug = false;
  FA_RETURN_IF_ERROR(status_wanted(&debug));
  if (debug) {
    plan->status_bytes =
        status_bytes(problem.k_new.data ? cores * kVectorCoresPerCore : plan->cores);
  }
  int64_t scratch = scratch_begin(*plan) + plan->cores * kernel->workspace_per_core;
  plan->partials_begin = ceil_div(scratch, kAlignment) * kAlignment;
  int64_t partials = plan->partials_begin + partial_bytes(problem, *plan);
  plan->rotated_q_begin = ceil_div(partials, kAlignment) * kAlignment;
  plan->workspace_bytes = plan->rotated_q_begin + rotated_bytes(problem);
  return {};
}

}  // namespace fa::npu
