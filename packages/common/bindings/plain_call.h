#pragma once

// The short way of most calls with NPU tensors: from the public function's arguments to the task
// queue without a step in Python.

#include <pybind11/pybind11.h>

#include "fa/plan.h"

namespace fa::bindings {

// The plan of this thread's last call.
Plan& last_plan();

// Adds `attend_plain` and what it asks torch; `_C.pyi` has their contracts.
void define_plain_call(pybind11::module_& module);

}  // namespace fa::bindings
