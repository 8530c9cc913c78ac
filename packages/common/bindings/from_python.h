#pragma once

// Reads tensors through their Python attributes, so that the module links no libtorch.

#include <pybind11/pybind11.h>

#include "fa/tensor_view.h"

namespace fa::bindings {

// An undefined view for None. Throws TypeError for anything that is not a strided tensor.
TensorView view_of(const char* name, pybind11::handle tensor);

// Address of the memory of a tensor that `allocate` returned.
void* data_of(pybind11::handle tensor);

}  // namespace fa::bindings
