#pragma once

// From a call to a checked problem: the only place that applies defaults.

#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

// What becomes of lengths, page ids and the other values of index tensors.
enum class ValueUse {
  kRead,   // checked, and kept in geometry.entries
  kCheck,  // checked, but kept from the problem: its plan must do without them
  kLeave,  // in device memory: the host does not touch them
};

Status normalize_forward(const ForwardCall& call, ValueUse use, ForwardProblem* problem);
Status normalize_backward(const BackwardCall& call, BackwardProblem* problem);

// Fields that mean the same in both calls.
struct SharedCall {
  const TensorView& q;
  const TensorView& k;
  const TensorView& v;
  const TensorView& qv;
  const TensorView& alibi_slopes;
  const TensorView& sink;
  const TensorView& rng_state;
  const LengthViews& lengths;
  const MaskOptions& mask;
  const ScoreOptions& score;
  Api api;
  bool paged;
  bool takes_int8;  // for k and v, with scales
};

// Dimensions, dtypes and devices.
Status shared_shapes(const SharedCall& call, Geometry* geometry);
// Mask, dropout, biases and scalars; needs the final geometry->kv_tokens (pages counted).
Status shared_semantics(const SharedCall& call, Geometry* geometry);

Status check_combine(const CombineCall& call);

}  // namespace fa
