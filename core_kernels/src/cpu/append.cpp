#include "cpu/append.h"

#include <cstring>

#include "cpu/parallel.h"
#include "problem/page_map.h"
#include "problem/quantise.h"
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

// Writes rows of new keys or values to a cache: copies, or quantises to the scale of their head.
class Writer {
 public:
  Writer(const ForwardProblem& problem, const Microkernels& isa, const TokenView& cache,
         const HeadValues& scales, int dim, int32_t entry)
      : problem_(problem),
        isa_(isa),
        cache_(cache),
        scales_(scales),
        dim_(dim),
        index_(entry),
        entry_(problem.geometry.entries[static_cast<size_t>(entry)]) {}

  void write(const char* row, int64_t token, int head) const {
    char* target = slot(token, head);
    if (cache_.dtype != DType::kInt8) {
      std::memcpy(target, row, static_cast<size_t>(dim_ * dtype_size(problem_.q_dtype)));
      return;
    }
    float values[kMaxDim];
    isa_.load_row(row, problem_.q_dtype, dim_, values);
    float inverse = 1.0f / scales_.at(index_, head);
    int8_t* codes = reinterpret_cast<int8_t*>(target);
    for (int i = 0; i < dim_; ++i) codes[i] = quantised(values[i], inverse);
  }

 private:
  char* slot(int64_t token, int head) const {
    const PagedLayout& paged = problem_.paged;
    if (!paged.page_table) return cache_.at(entry_.kv_row, token, head);
    PageMap pages = {paged.page_table + entry_.kv_row * paged.row_stride, paged.page_size};
    PageRun run = pages.run(token, 1);
    return cache_.at(run.page, run.slot, head);
  }

  const ForwardProblem& problem_;
  const Microkernels& isa_;
  const TokenView& cache_;
  const HeadValues& scales_;
  const int dim_;
  const int32_t index_;
  const BatchEntry& entry_;
};

void append_entry(const ForwardProblem& problem, const Microkernels& isa, int32_t index) {
  const Geometry& g = problem.geometry;
  const BatchEntry& entry = g.entries[static_cast<size_t>(index)];
  Rotator rotator(problem.rotary, isa);
  Writer keys(problem, isa, problem.k, problem.k_descale, g.head_dim, index);
  Writer values(problem, isa, problem.v, problem.v_descale, g.value_dim, index);
  char rotated[kMaxDim * sizeof(float)];
  for (int32_t t = 0; t < entry.new_len; ++t) {
    for (int head = 0; head < g.kv_heads; ++head) {
      const char* k = problem.k_new.at(index, entry.new_begin + t, head);
      if (problem.rotary.dim > 0) {
        rotator.copy(k, problem.q_dtype, g.head_dim, entry.rotary_at + t, rotated);
        k = rotated;
      }
      keys.write(k, entry.append_at + t, head);
      values.write(problem.v_new.at(index, entry.new_begin + t, head), entry.append_at + t, head);
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
