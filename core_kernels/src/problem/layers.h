#pragma once

// Checks of the layers around attention.

#include "fa/layers.h"

namespace fa {

Status check_rotary(const RotaryCall& call);
Status check_cross_entropy(const CrossEntropyCall& call);
Status check_cross_entropy_backward(const CrossEntropyBackwardCall& call);
Status check_norm(const NormCall& call);
Status check_norm_backward(const NormBackwardCall& call);

}  // namespace fa
