#include "cpu/append.h"

#include <cstring>

#include "cpu/parallel.h"
#include "problem/page_map.h"
#include "problem/rotary.h"

namespace fa::cpu {
namespace {

constexpr int kMaxDim = 512;

class Rotator {
 public:
  Rotator(const Rotary& rotary, const Microkernels& isa) : rotary_(rotary), isa_(isa) {}

  // Copies `dim` elements, the first rotary.dim of them rotated for `position`, in fp32 and rounded
  // once.
  void copy(const char* source, DType dtype, int dim, int64_t position, char* target) const {
    float row[kMaxDim], cos[kMaxDim / 2], sin[kMaxDim / 2];
    isa_.load_row(source, dtype, dim, row);
    isa_.load_row(rotary_.cos.at(0, position, 0), rotary_.cos.dtype, rotary_.dim / 2, cos);
    isa_.load_row(rotary_.sin.at(0, position, 0), rotary_.sin.dtype, rotary_.dim / 2, sin);
    for (int i = 0; i < rotary_.dim / 2; ++i) {
      RotaryPair pair = rotary_pair(i, rotary_.dim, rotary_.interleaved);
      float a = row[pair.first], b = row[pair.second];
      row[pair.first] = a * cos[i] - b * sin[i];
      row[pair.second] = a * sin[i] + b * cos[i];
    }
    isa_.store_row(row, dtype, dim, target);
  }

 private:
  const Rotary& rotary_;
  const Microkernels& isa_;
};

char* cache_slot(const ForwardProblem& problem, const TokenView& cache, const BatchEntry& entry,
                 int64_t token, int head) {
  const PagedLayout& paged = problem.paged;
  if (!paged.page_table) return cache.at(entry.kv_row, token, head);
  PageMap pages = {paged.page_table + entry.kv_row * paged.row_stride, paged.page_size};
  PageRun run = pages.run(token, 1);
  return cache.at(run.page, run.slot, head);
}

void append_entry(const ForwardProblem& problem, const Microkernels& isa, int32_t index) {
  const Geometry& g = problem.geometry;
  const BatchEntry& entry = g.entries[static_cast<size_t>(index)];
  Rotator rotator(problem.rotary, isa);
  size_t k_bytes = static_cast<size_t>(g.head_dim * dtype_size(problem.q_dtype));
  size_t v_bytes = static_cast<size_t>(g.value_dim * dtype_size(problem.q_dtype));
  for (int32_t t = 0; t < entry.new_len; ++t) {
    for (int head = 0; head < g.kv_heads; ++head) {
      const char* k = problem.k_new.at(index, entry.new_begin + t, head);
      const char* v = problem.v_new.at(index, entry.new_begin + t, head);
      char* k_slot = cache_slot(problem, problem.k, entry, entry.append_at + t, head);
      if (problem.rotary.dim > 0) {
        rotator.copy(k, problem.q_dtype, g.head_dim, entry.rotary_at + t, k_slot);
      } else {
        std::memcpy(k_slot, k, k_bytes);
      }
      std::memcpy(cache_slot(problem, problem.v, entry, entry.append_at + t, head), v, v_bytes);
    }
  }
}

void rotate_queries(const ForwardProblem& problem, const Microkernels& isa, int32_t index,
                    const TokenView& target) {
  const Geometry& g = problem.geometry;
  const BatchEntry& entry = g.entries[static_cast<size_t>(index)];
  Rotator rotator(problem.rotary, isa);
  for (int32_t i = 0; i < entry.q_len; ++i) {
    int64_t position = entry.rotary_at + (problem.rotary.same_q_position ? 0 : i);
    for (int head = 0; head < g.q_heads; ++head) {
      rotator.copy(problem.q.at(entry.q_row, entry.q_begin + i, head), problem.q_dtype, g.head_dim,
                   position, target.at(entry.q_row, entry.q_begin + i, head));
    }
  }
}

}  // namespace

TokenView append_and_rotate(const ForwardProblem& problem, const Plan& plan,
                            const Microkernels& isa, char* workspace) {
  bool rotate = problem.rotary.dim > 0;
  if (!problem.k_new.data && !rotate) return problem.q;
  const Geometry& g = problem.geometry;
  TokenView queries = problem.q;
  if (rotate) {
    int64_t token = int64_t{g.q_heads} * g.head_dim;
    queries = {workspace, problem.q_dtype, g.q_tokens * token, token, g.head_dim};
  }
  parallel_for(plan.threads, g.batch, [&](int64_t index) {
    append_entry(problem, isa, static_cast<int32_t>(index));
    if (rotate) rotate_queries(problem, isa, static_cast<int32_t>(index), queries);
  });
  return queries;
}

}  // namespace fa::cpu
