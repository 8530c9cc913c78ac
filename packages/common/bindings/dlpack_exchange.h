#pragma once

// Fast reading of tensors where torch offers DLPack's C exchange table (torch 2.9 and newer).

#include <pybind11/pybind11.h>

#include "fa/tensor_view.h"

namespace fa::bindings {

// Fills `view` and returns true for a plain CPU tensor of a dtype the core knows; otherwise leaves
// it alone, and the caller reads attributes.
bool read_through_dlpack(pybind11::handle tensor, TensorView* view);

}  // namespace fa::bindings
