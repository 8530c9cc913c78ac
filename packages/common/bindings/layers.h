#pragma once

#include <pybind11/pybind11.h>

namespace fa::bindings {

// Adds the layers around attention to the native module; `_C.pyi` is their documented contract.
void define_layers(pybind11::module_& module);

}  // namespace fa::bindings
