#pragma once

// Layers around attention: rotary embedding, cross entropy, norms. CPU only. Each call checks
// everything before it writes. Arithmetic is fp32 and results are rounded once; they do not depend
// on the number of threads. Optional tensors are undefined views.

#include <cstdint>

#include "fa/status.h"
#include "fa/tensor_view.h"

namespace fa {

struct RotaryCall {
  TensorView x;           // [B, S, H, D], or packed [T, H, D] with cu_seqlens
  TensorView out;         // like x; may be x itself, else it must not overlap it
  TensorView cos;         // [rotary_len, rotary_dim / 2]
  TensorView sin;         // like cos
  TensorView offsets;     // int32|int64 [B]: position of the first token, instead of `offset`
  TensorView cu_seqlens;  // int32|int64 [B + 1]
  int64_t offset = 0;
  bool interleaved = false;
  bool conjugate = false;
  int threads = 1;
};

// Tokens of no sequence, or at a position that cos has no row for, stay as they are.
Status rotary(const RotaryCall& call);

struct LossOptions {
  double smoothing = 0;
  double logit_scale = 1;
  double lse_square_scale = 0;
  int64_t ignore_index = -100;
  int64_t total_classes = 0;  // of the whole vocabulary
  int64_t class_start = 0;    // first class of these columns
};

struct CrossEntropyCall {
  TensorView logits;     // [N, classes]
  TensorView labels;     // int32|int64 [N]
  TensorView given_lse;  // fp32 [N], used instead of computing it
  TensorView losses;     // fp32 [N]
  TensorView z_losses;   // fp32 [N]
  TensorView lse;        // fp32 [N]
  LossOptions options;
  bool split = false;  // a part of the vocabulary: losses do not contain the lse yet
  int threads = 1;
};

Status cross_entropy(const CrossEntropyCall& call);

struct CrossEntropyBackwardCall {
  TensorView dloss;    // fp32 [N]
  TensorView logits;   // [N, classes]
  TensorView lse;      // fp32 [N]
  TensorView labels;   // int32|int64 [N]
  TensorView dlogits;  // like logits; may be the logits
  LossOptions options;
  int threads = 1;
};

Status cross_entropy_backward(const CrossEntropyBackwardCall& call);

struct NormOptions {
  double eps = 0;
  bool zero_centered = false;  // the factor is weight + 1
  bool rms = false;
};

struct NormCall {
  TensorView x;                             // [M, N]
  TensorView residual;                      // [M, N]
  TensorView weight, bias, weight1, bias1;  // [N], weight alone is required
  TensorView y, y1;                         // [M, N]; y1 with weight1
  TensorView sum;                           // [M, N]: x + residual
  NormOptions options;
  int threads = 1;
};

Status norm(const NormCall& call);

struct NormBackwardCall {
  TensorView dy, dy1;                           // [M, N]; dy1 with weight1
  TensorView dsum;                              // [M, N], added to the gradient
  TensorView sum;                               // [M, N], what was normalised
  TensorView weight, weight1;                   // [N]
  TensorView dx, dresidual;                     // [M, N], the same gradient in two dtypes
  TensorView dweight, dbias, dweight1, dbias1;  // fp32 [N]; the last two with weight1
  NormOptions options;
  int threads = 1;
};

Status norm_backward(const NormBackwardCall& call);

}  // namespace fa
