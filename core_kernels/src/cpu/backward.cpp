// Tiled FlashAttention-2 backward (Dao, 2023). Tasks (backward_tasks.h) own dK and dV of a part of
// the keys and have a dQ of their own each; these are summed in a fixed order at the end, so
// results do not depend on threads. Probabilities are recomputed from the LSE.

#include "cpu/backward.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/backward_tasks.h"
#include "cpu/isa_table.h"
#include "cpu/parallel.h"
#include "cpu/tile_io.h"

namespace fa::cpu {
namespace {

// delta of one (row of q, head), all its tokens.
void compute_delta(const BackwardRun& run, int64_t row, int head) {
  const BackwardProblem& p = run.problem;
  int dv = p.geometry.value_dim;
  std::vector<float> out(static_cast<size_t>(dv)), dout(static_cast<size_t>(dv));
  for (int64_t token = 0; token < p.geometry.q_tokens; ++token) {
    run.isa.load_row(p.out.at(row, token, head), p.out.dtype, dv, out.data());
    run.isa.load_row(p.dout.at(row, token, head), p.dout.dtype, dv, dout.data());
    double sum = 0;
    for (int i = 0; i < dv; ++i)
      sum += double(out[static_cast<size_t>(i)]) * dout[static_cast<size_t>(i)];
    if (p.dlse.data) sum -= p.dlse.at(row, token, head);
    run.delta.at(row, token, head) = static_cast<float>(sum);
  }
}

// softmax_d is defined for used rows only; the rest of it is 0.
void clear_unused(const BackwardRun& run) {
  const BackwardProblem& p = run.problem;
  const Geometry& g = p.geometry;
  for_unused_tokens(g, true, [&](int64_t row, int64_t begin, int64_t end) {
    clear_tokens(p.dq, row, begin, end, g.q_heads, g.head_dim);
    if (p.dqv.data) clear_tokens(p.dqv, row, begin, end, g.q_heads, g.value_dim);
    for (int64_t token = begin; token < end; ++token) {
      for (int head = 0; head < g.q_heads; ++head) run.delta.at(row, token, head) = 0;
    }
  });
  for_unused_tokens(g, false, [&](int64_t row, int64_t begin, int64_t end) {
    clear_tokens(p.dk, row, begin, end, g.kv_heads, g.head_dim);
    clear_tokens(p.dv, row, begin, end, g.kv_heads, g.value_dim);
  });
}

// The sink is one more column with value 0: dsink = sum over rows of p_sink * (dlse - dout.out).
void sink_gradient(const BackwardRun& run, int head) {
  const BackwardProblem& p = run.problem;
  const Geometry& g = p.geometry;
  double sum = 0;
  double sink = g.sink[static_cast<size_t>(head)];
  for (int64_t b = 0; b < g.batch; ++b) {
    const BatchEntry& entry = g.entries[static_cast<size_t>(b)];
    double slope = g.alibi_by_column ? g.alibi.at(b, head) : 0;
    for (int32_t i = 0; i < entry.q_len; ++i) {
      int64_t token = entry.q_begin + i;
      double lse = p.lse.at(entry.q_row, token, head);
      if (std::isinf(lse)) continue;
      lse -= slope * (i + entry.kv_len - entry.q_len);
      sum -= std::exp(sink - lse) * run.delta.at(entry.q_row, token, head);
    }
  }
  p.dsink[head * p.dsink_stride] = static_cast<float>(sum);
}

// Sums the splits' buffers of one (entry, KV head) in order and stores the gradient.
void store_query_gradient(const BackwardRun& run, float* buffer, int dim, const TokenView& target,
                          int32_t entry_index, int32_t kv_head) {
  const Geometry& g = run.problem.geometry;
  const BatchEntry& entry = g.entries[static_cast<size_t>(entry_index)];
  int strip = run.strip;
  HeadGroup group = {g.group, kv_head, kv_head * g.group};
  int64_t rows = int64_t{entry.q_len} * g.group;
  std::vector<float> ones(static_cast<size_t>(strip), 1.0f);
  RowBlock block;
  for (int64_t row = 0; row < rows; row += strip) {
    int count = static_cast<int>(std::min<int64_t>(strip, rows - row));
    float* sum = buffer + (run.head_first_row(entry_index, kv_head) + row) * dim;
    for (int split = 1; split < run.plan.splits; ++split) {
      const float* other = sum + split * run.rows * dim;
      for (int i = 0; i < strip * dim; ++i) sum[i] += other[i];
    }
    describe_rows(g, entry_index, group, row, count, strip, &block);
    store_strip(run.isa, sum, ones.data(), target, entry, block, 0, dim);
  }
}

BackwardRun make_run(const BackwardProblem& problem, const Plan& plan, char* workspace) {
  const Geometry& g = problem.geometry;
  int32_t strip = backward_strip(problem);
  BackwardWorkspace regions = backward_workspace(problem, plan, strip);
  BackwardRun run = {problem, plan,    microkernels(),        strip, problem.softmax_d,
                     nullptr, nullptr, padded_rows(g, strip), {}};
  if (!run.delta.data) {
    run.delta = {reinterpret_cast<float*>(workspace), g.q_heads * g.q_tokens, g.q_tokens, 1};
  }
  run.dq = reinterpret_cast<float*>(workspace + regions.delta);
  run.dqv = reinterpret_cast<float*>(workspace + regions.delta + regions.dq);
  int64_t next = 0;
  for (int32_t b = 0; b < g.batch; ++b) {
    run.first_row.push_back(next);
    next += run.entry_rows(b) * g.kv_heads;
  }
  return run;
}

bool take_pairs(const BackwardProblem& problem) {
  DType dtype = DType::kBFloat16;
  return microkernels().pairs && problem.q.dtype == dtype && problem.k.dtype == dtype &&
         problem.v.dtype == dtype && problem.dout.dtype == dtype && !problem.qv.data;
}

}  // namespace

int32_t backward_strip(const BackwardProblem& problem) {
  const Microkernels& isa = microkernels();
  return take_pairs(problem) ? isa.pairs->strip : isa.strip;
}

void run_backward(const BackwardProblem& problem, const Plan& plan, void* workspace) {
  const Geometry& g = problem.geometry;
  BackwardRun run = make_run(problem, plan, static_cast<char*>(workspace));
  int threads = plan.threads;
  parallel_for(threads, g.q_rows * g.q_heads, [&](int64_t index) {
    compute_delta(run, index / g.q_heads, static_cast<int>(index % g.q_heads));
  });
  clear_unused(run);
  if (problem.dsink) {
    parallel_for(threads, g.q_heads,
                 [&](int64_t head) { sink_gradient(run, static_cast<int>(head)); });
  }
  auto run_task = take_pairs(problem) ? run_pair_backward : run_fp32_backward;
  // Each task first clears its own part of the dq buffers, in its own thread.
  parallel_for(threads, plan.tasks, [&](int64_t index) {
    int32_t split = static_cast<int32_t>(index % plan.splits);
    int32_t kv_head = static_cast<int32_t>(index / plan.splits % g.kv_heads);
    int32_t entry = static_cast<int32_t>(index / plan.splits / g.kv_heads);
    int64_t first = split * run.rows + run.head_first_row(entry, kv_head);
    int64_t rows = run.entry_rows(entry);
    std::fill_n(run.dq + first * g.head_dim, rows * g.head_dim, 0.0f);
    if (problem.qv.data) std::fill_n(run.dqv + first * g.value_dim, rows * g.value_dim, 0.0f);
    run_task(run, {entry, kv_head, split});
  });
  parallel_for(threads, int64_t{g.batch} * g.kv_heads, [&](int64_t index) {
    int32_t entry = static_cast<int32_t>(index / g.kv_heads);
    int32_t kv_head = static_cast<int32_t>(index % g.kv_heads);
    store_query_gradient(run, run.dq, g.head_dim, problem.dq, entry, kv_head);
    if (problem.qv.data) {
      store_query_gradient(run, run.dqv, g.value_dim, problem.dqv, entry, kv_head);
    }
  });
}

}  // namespace fa::cpu
