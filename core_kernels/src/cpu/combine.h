#pragma once

#include "cpu/microkernel.h"
#include "fa/problem.h"

namespace fa::cpu {

// Partials (o, lse) of several splits and where their merge goes.
struct CombineProblem {
  int32_t splits = 0;
  int64_t rows = 0;
  int64_t heads = 0;
  int64_t tokens = 0;
  int32_t value_dim = 0;
  TokenView partial_out;  // of split 0
  int64_t out_split_stride = 0;
  RowView partial_lse;
  int64_t lse_split_stride = 0;
  TokenView out;
  RowView lse;
  float empty_lse = 0;
};

// out = sum_s exp(lse_s - lse) out_s, lse = log sum_s exp(lse_s).
void run_combine(const CombineProblem& problem, const Microkernels& isa, int threads);

}  // namespace fa::cpu
