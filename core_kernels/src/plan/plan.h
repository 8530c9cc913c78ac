#pragma once

#include <cstdint>
#include <vector>

#include "fa/call.h"
#include "fa/plan.h"
#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

// Keys per step of the online softmax. A split starts at a multiple of it, so that the arithmetic
// of a row does not depend on which rows share its task.
inline constexpr int32_t kTileKv = 128;
inline constexpr int32_t kMaxRowsPerTask = 128;

// A workspace region starts on a cache line.
inline constexpr int64_t align_bytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Regions of the forward workspace; 0 bytes when not needed.
struct ForwardWorkspace {
  int64_t rotated_q = 0;    // q after rotary, contiguous in the layout of q
  int64_t partial_out = 0;  // fp32 [splits, rows of q, Hq, tokens, Dv]
  int64_t partial_lse = 0;  // fp32 [splits, rows of q, Hq, tokens]
};

ForwardWorkspace forward_workspace(const ForwardProblem& problem, const Plan& plan);

// Regions of the backward workspace.
struct BackwardWorkspace {
  int64_t delta = 0;  // fp32 [rows of q, Hq, tokens]
  int64_t dq = 0;     // fp32, per split, in strips
  int64_t dqv = 0;
};

// Packed rows of an entry and KV head, rounded up to whole strips, summed over entries and heads.
int64_t padded_rows(const Geometry& geometry, int32_t strip);

BackwardWorkspace backward_workspace(const BackwardProblem& problem, const Plan& plan,
                                     int32_t strip);

// The values of a v3 plan; `choose` is asked if the call leaves the split count open.
using SplitChoice = int32_t (*)(const MetadataCall& call);
Status plan_metadata(const MetadataCall& call, SplitChoice choose, std::vector<int32_t>* metadata);

void plan_forward(const ForwardProblem& problem, int32_t few_rows, Plan* plan);
void plan_backward(const BackwardProblem& problem, int32_t strip, Plan* plan);

}  // namespace fa
