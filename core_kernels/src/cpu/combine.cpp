#include "cpu/combine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace fa::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const float* partial_row(const CombineProblem& p, int split, int64_t row, int64_t token,
                         int64_t head) {
  return reinterpret_cast<const float*>(p.partial_out.at(row, token, head)) +
         split * p.out_split_stride;
}

// A partial without keys has lse -inf or +inf (v2), so both count as nothing.
void combine_row(const CombineProblem& p, const Microkernels& isa, int64_t row, int64_t token,
                 int64_t head) {
  Scratch& scratch = local_scratch();
  scratch.reset(Scratch::bytes<float>(p.value_dim) + Scratch::bytes<double>(p.splits));
  float* sum = scratch.take<float>(p.value_dim);
  double* weight = scratch.take<double>(p.splits);
  const float* lse = &p.partial_lse.at(row, token, head);
  double top = -kInfinity;
  for (int s = 0; s < p.splits; ++s) {
    float value = lse[s * p.lse_split_stride];
    if (value != kInfinity) top = std::max<double>(top, value);
  }
  double total = 0;
  for (int s = 0; s < p.splits; ++s) {
    float value = lse[s * p.lse_split_stride];
    weight[s] = value == kInfinity || top == -kInfinity ? 0 : std::exp(value - top);
    total += weight[s];
  }
  std::fill(sum, sum + p.value_dim, 0.0f);
  for (int s = 0; s < p.splits; ++s) {
    if (weight[s] == 0) continue;
    float factor = static_cast<float>(weight[s] / total);
    const float* partial = partial_row(p, s, row, token, head);
    for (int i = 0; i < p.value_dim; ++i) sum[i] += factor * partial[i];
  }
  isa.store_row(sum, p.out.dtype, p.value_dim, p.out.at(row, token, head));
  p.lse.at(row, token, head) =
      top == -kInfinity ? p.empty_lse : static_cast<float>(top + std::log(total));
}

}  // namespace

void run_combine(const CombineProblem& p, const Microkernels& isa, int threads) {
  parallel_for(threads, p.rows * p.heads, [&](int64_t index) {
    for (int64_t token = 0; token < p.tokens; ++token) {
      combine_row(p, isa, index / p.heads, token, index % p.heads);
    }
  });
}

}  // namespace fa::cpu
