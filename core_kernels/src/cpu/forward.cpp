// Tiled FlashAttention-2 forward (Dao, 2023): a task walks the KV tiles once for up to
// kMaxRowsPerTask packed rows with the online softmax; several splits of the KV range are merged
// by combine.

#include "cpu/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/append.h"
#include "cpu/combine.h"
#include "cpu/isa_table.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/tile_io.h"
#include "plan/task_list.h"

namespace fa::cpu {
namespace {

constexpr double kLn2 = 0.6931471805599453;
constexpr float kLog2E = 1.4426950408889634f;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Where a task's results go: the outputs, or the partials of one split.
struct Target {
  TokenView out;
  RowView lse;
  float empty_lse;
};

// Buffers of one task.
struct TaskBuffers {
  float* q;   // strips of [D][strip]
  float* qv;  // strips of [Dv][strip]
  float* o;   // strips of [Dv][strip]
  float* m;   // [rows]
  float* l;
  float* k;        // [kTileKv][D]
  float* v;        // [kTileKv][Dv]
  float* s;        // [kTileKv][strip]
  uint32_t* keep;  // [kTileKv]
};

class ForwardTask {
 public:
  ForwardTask(const ForwardProblem& problem, const TokenView& queries, const Plan& plan,
              const Microkernels& isa, const Task& task)
      : problem_(problem),
        queries_(queries),
        geometry_(problem.geometry),
        isa_(isa),
        task_(task),
        entry_(geometry_.entries[static_cast<size_t>(task.entry)]),
        splits_(plan.splits) {
    int size = plan.pack_gqa ? geometry_.group : 1;
    group_ = {size, plan.pack_gqa ? task.head : task.head / geometry_.group,
              plan.pack_gqa ? task.head * size : task.head};
    describe_rows(geometry_, task.entry, group_, task.row_begin, task.rows, isa.strip, &block_);
    take_buffers();
  }

  void run(const Target& target) {
    load_queries();
    int32_t begin, end;
    key_range(&begin, &end);
    for (int32_t key = begin / kTileKv * kTileKv; key < end; key += kTileKv) {
      int32_t first = std::max(key, begin);
      if (FA_MUTATE("drop_tile", false, key > begin && key + kTileKv >= end)) continue;
      attend_tile(first, std::min(end, key + kTileKv) - first);
    }
    if (problem_.probs.defined) write_probs(begin, end);
    for (int x = 0; x < block_.strips; ++x) finish_strip(x, target);
  }

 private:
  void take_buffers() {
    int64_t rows = int64_t{block_.strips} * isa_.strip;
    int64_t d = geometry_.head_dim, dv = geometry_.value_dim;
    Scratch& scratch = local_scratch();
    int64_t floats = rows * (d + 2 * dv + 2) + kTileKv * (d + dv + isa_.strip + 1);
    scratch.reset(floats * 4 + 16 * 64);
    buffers_.q = scratch.take<float>(rows * d);
    buffers_.qv = scratch.take<float>(rows * dv);
    buffers_.o = scratch.take<float>(rows * dv);
    buffers_.m = scratch.take<float>(rows);
    buffers_.l = scratch.take<float>(rows);
    buffers_.k = scratch.take<float>(kTileKv * d);
    buffers_.v = scratch.take<float>(kTileKv * dv);
    buffers_.s = scratch.take<float>(int64_t{kTileKv} * isa_.strip);
    buffers_.keep = scratch.take<uint32_t>(kTileKv);
    std::memset(buffers_.o, 0, sizeof(float) * static_cast<size_t>(rows * dv));
    for (int64_t r = 0; r < rows; ++r) {
      buffers_.m[r] = -kInfinity;
      buffers_.l[r] = 0;
    }
  }

  float* q_strip(int x) { return buffers_.q + int64_t{x} * geometry_.head_dim * isa_.strip; }
  float* qv_strip(int x) { return buffers_.qv + int64_t{x} * geometry_.value_dim * isa_.strip; }
  float* o_strip(int x) { return buffers_.o + int64_t{x} * geometry_.value_dim * isa_.strip; }

  void load_queries() {
    for (int x = 0; x < block_.strips; ++x) {
      load_strip(isa_, queries_, entry_, block_, x, geometry_.head_dim, q_strip(x));
      if (problem_.qv.data) {
        load_strip(isa_, problem_.qv, entry_, block_, x, geometry_.value_dim, qv_strip(x));
      }
    }
  }

  // Keys of this split that some row sees. Splits cut the entry's tiles evenly, whatever the rows
  // see, so that a row's result does not depend on the rows beside it.
  void key_range(int32_t* begin, int32_t* end) const {
    int64_t tiles = (int64_t{entry_.kv_len} + kTileKv - 1) / kTileKv;
    int64_t per_split = (tiles + splits_ - 1) / splits_;
    int64_t split_begin = task_.split * per_split * kTileKv;
    int64_t split_end = split_begin + per_split * kTileKv;
    *begin = static_cast<int32_t>(std::max<int64_t>(block_.first_key, split_begin));
    *end = static_cast<int32_t>(std::min<int64_t>(block_.end_key, split_end));
  }

  void load_keys(int32_t key, int keys) {
    load_kv_tile(isa_, problem_.k, problem_.paged, entry_, group_.kv_head, key, keys,
                 geometry_.head_dim, buffers_.k);
  }

  void load_values(int32_t key, int keys) {
    load_kv_tile(isa_, problem_.v, problem_.paged, entry_, group_.kv_head, key, keys,
                 geometry_.value_dim, buffers_.v);
  }

  // s = k . q (+ v . qv) for one strip.
  void scores(int x, int keys) {
    int strip = isa_.strip, d = geometry_.head_dim, dv = geometry_.value_dim;
    isa_.gemm({buffers_.s, strip, 0, buffers_.k, d, 1, q_strip(x), strip, 0, keys, d, 1, false});
    if (problem_.qv.data) {
      isa_.gemm(
          {buffers_.s, strip, 0, buffers_.v, dv, 1, qv_strip(x), strip, 0, keys, dv, 1, true});
    }
  }

  float scale() const {
    float scale = geometry_.scale;
    if (problem_.q_descale.data) scale *= problem_.q_descale.at(task_.entry, group_.kv_head);
    if (problem_.k_descale.data) scale *= problem_.k_descale.at(task_.entry, group_.kv_head);
    return scale;
  }

  Scores score_step(int x, int32_t key, const StripRange& range) {
    int first = x * isa_.strip;
    bool alibi = geometry_.alibi.data != nullptr;
    return {buffers_.s,
            range.keys,
            key,
            block_.lo + first,
            block_.hi + first,
            range.edge,
            scale(),
            geometry_.softcap,
            alibi ? block_.slope + first : nullptr,
            alibi ? block_.diagonal + first : nullptr};
  }

  void attend_tile(int32_t key, int keys) {
    load_keys(key, keys);
    load_values(key, keys);
    int strip = isa_.strip, dv = geometry_.value_dim;
    for (int x = 0; x < block_.strips; ++x) {
      StripRange range = strip_range(block_, x, strip, key, keys);
      if (range.keys == 0) continue;
      scores(x, range.keys);
      isa_.softmax_step({score_step(x, key, range), buffers_.m + x * strip, buffers_.l + x * strip,
                         o_strip(x), dv});
      if (geometry_.dropout.p > 0) {
        fill_keep(geometry_, task_.entry, block_, x, strip, key, range.keys, buffers_.keep);
        isa_.apply_keep(buffers_.s, range.keys, buffers_.keep, keep_scale());
      }
      // o[i][row] += sum over keys of v[key][i] * p[key][row]
      isa_.gemm(
          {o_strip(x), strip, 0, buffers_.v, 1, dv, buffers_.s, strip, 0, dv, range.keys, 1, true});
    }
  }

  float keep_scale() const { return static_cast<float>(1.0 / (1.0 - geometry_.dropout.p)); }

  // S_dmask: exp(score - row maximum), negative where dropped.
  void write_probs(int32_t begin, int32_t end) {
    int strip = isa_.strip;
    for (int32_t key = begin; key < end; key += kTileKv) {
      int keys = std::min(kTileKv, end - key);
      load_keys(key, keys);
      load_values(key, keys);
      for (int x = 0; x < block_.strips; ++x) {
        StripRange range = strip_range(block_, x, strip, key, keys);
        if (range.keys == 0) continue;
        scores(x, range.keys);
        isa_.probs_step({score_step(x, key, range), buffers_.m + x * strip});
        fill_keep(geometry_, task_.entry, block_, x, strip, key, range.keys, buffers_.keep);
        store_probs(x, key, range.keys);
      }
    }
  }

  void store_probs(int x, int32_t key, int keys) {
    const TensorView& probs = problem_.probs;
    int strip = isa_.strip;
    float row[kTileKv];
    for (int r = 0; r < std::min(strip, block_.rows - x * strip); ++r) {
      PackedRow id = block_.id[x * strip + r];
      for (int j = 0; j < keys; ++j) {
        float p = buffers_.s[j * strip + r];
        row[j] = (buffers_.keep[j] >> r) & 1u ? p : -p;
      }
      int64_t at = task_.entry * probs.stride[0] + id.q_head * probs.stride[1] +
                   id.q_index * probs.stride[2] + key;
      isa_.store_row(row, probs.dtype, keys,
                     static_cast<char*>(probs.data) + at * dtype_size(probs.dtype));
    }
  }

  // Normalises, adds the sink, and stores output and LSE of one strip.
  void finish_strip(int x, const Target& target) {
    int strip = isa_.strip, first = x * strip;
    float v_descale =
        problem_.v_descale.data ? problem_.v_descale.at(task_.entry, group_.kv_head) : 1.0f;
    float factor[kMaxStrip] = {};
    for (int r = 0; r < std::min(strip, block_.rows - first); ++r) {
      PackedRow id = block_.id[first + r];
      double m = buffers_.m[first + r], l = buffers_.l[first + r];
      double rescale = 1;
      bool empty = m == -kInfinity;
      if (!geometry_.sink.empty() && task_.split == 0) {
        double sink = double(geometry_.sink[static_cast<size_t>(id.q_head)]) / kLn2;
        double top = std::max(m, sink);
        if (top > -kInfinity) {
          rescale = std::exp2(m - top);
          l = l * rescale + std::exp2(sink - top);
          m = top;
          empty = false;
        }
      }
      factor[r] = empty ? 0.0f : static_cast<float>(rescale / l) * v_descale;
      double lse = empty ? target.empty_lse : (m + std::log2(l)) * kLn2;
      if (!empty && geometry_.alibi_by_column) {
        lse += double(block_.slope[first + r]) * block_.diagonal[first + r];
      }
      target.lse.at(entry_.q_row, entry_.q_begin + id.q_index, id.q_head) = static_cast<float>(lse);
    }
    store_strip(isa_, o_strip(x), factor, target.out, entry_, block_, x, geometry_.value_dim);
  }

  const ForwardProblem& problem_;
  const TokenView& queries_;  // of the problem, or rotated
  const Geometry& geometry_;
  const Microkernels& isa_;
  const Task task_;
  const BatchEntry& entry_;
  const int32_t splits_;
  HeadGroup group_;
  RowBlock block_;
  TaskBuffers buffers_;
};

// Partials as [splits, rows of q, Hq, tokens, Dv], in the workspace or where the caller asked.
CombineProblem partials(const ForwardProblem& problem, const Plan& plan, char* workspace) {
  const Geometry& g = problem.geometry;
  CombineProblem combine;
  combine.splits = plan.splits;
  combine.rows = g.q_rows;
  combine.heads = g.q_heads;
  combine.tokens = g.q_tokens;
  combine.value_dim = g.value_dim;
  if (problem.out_accum.defined) {
    const TensorView& o = problem.out_accum;
    const TensorView& lse = problem.lse_accum;
    bool padded = !problem.packed_q;
    combine.partial_out = {static_cast<char*>(o.data), DType::kFloat32, padded ? o.stride[1] : 0,
                           o.stride[o.rank - 2], o.stride[o.rank - 3]};
    combine.out_split_stride = o.stride[0];
    combine.partial_lse = {static_cast<float*>(lse.data), padded ? lse.stride[1] : 0,
                           lse.stride[lse.rank - 2], lse.stride[lse.rank - 1]};
    combine.lse_split_stride = lse.stride[0];
  } else {
    ForwardWorkspace regions = forward_workspace(problem, plan);
    int64_t tokens = g.q_tokens, dv = g.value_dim;
    char* out = workspace + regions.rotated_q;
    combine.partial_out = {out, DType::kFloat32, g.q_heads * tokens * dv, dv, tokens * dv};
    combine.out_split_stride = g.q_rows * g.q_heads * tokens * dv;
    combine.partial_lse = {reinterpret_cast<float*>(out + regions.partial_out), g.q_heads * tokens,
                           tokens, 1};
    combine.lse_split_stride = g.q_rows * g.q_heads * tokens;
  }
  combine.out = problem.out;
  combine.lse = problem.lse;
  combine.empty_lse = g.empty_lse;
  return combine;
}

void clear_unused(const ForwardProblem& problem, const CombineProblem* combine) {
  const Geometry& g = problem.geometry;
  for_unused_tokens(g, true, [&](int64_t row, int64_t begin, int64_t end) {
    clear_tokens(problem.out, row, begin, end, g.q_heads, g.value_dim);
    for (int64_t token = begin; token < end; ++token) {
      for (int head = 0; head < g.q_heads; ++head) {
        problem.lse.at(row, token, head) = g.empty_lse;
        for (int split = 0; combine && split < combine->splits; ++split) {
          (&combine->partial_lse.at(row, token, head))[split * combine->lse_split_stride] =
              -kInfinity;
        }
      }
    }
  });
  const TensorView& probs = problem.probs;
  if (!probs.defined) return;
  for (int64_t b = 0; b < probs.size[0]; ++b) {
    for (int64_t h = 0; h < probs.size[1]; ++h) {
      for (int64_t i = 0; i < probs.size[2]; ++i) {
        int64_t at = b * probs.stride[0] + h * probs.stride[1] + i * probs.stride[2];
        std::memset(static_cast<char*>(probs.data) + at * dtype_size(probs.dtype), 0,
                    static_cast<size_t>(probs.size[3] * dtype_size(probs.dtype)));
      }
    }
  }
}

}  // namespace

void run_forward(const ForwardProblem& problem, const Plan& plan, void* workspace) {
  const Microkernels& isa = microkernels();
  char* memory = static_cast<char*>(workspace);
  TokenView queries = append_and_rotate(problem, plan, isa, memory);
  CombineProblem combine = partials(problem, plan, memory);
  bool split = plan.splits > 1;
  clear_unused(problem, split ? &combine : nullptr);
  TaskList tasks(problem.geometry, plan.rows_per_task, plan.pack_gqa, plan.splits);
  parallel_for(plan.threads, tasks.size(), [&](int64_t index) {
    Task task = tasks.at(index);
    Target target = {problem.out, problem.lse, problem.geometry.empty_lse};
    if (split) {
      target = {combine.partial_out, combine.partial_lse, -kInfinity};
      target.out.data += task.split * combine.out_split_stride * 4;
      target.lse.data += task.split * combine.lse_split_stride;
    }
    ForwardTask(problem, queries, plan, isa, task).run(target);
  });
  if (split) run_combine(combine, isa, plan.threads);
}

}  // namespace fa::cpu
