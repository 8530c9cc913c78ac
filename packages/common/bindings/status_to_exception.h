#pragma once

#include <pybind11/pybind11.h>

#include "fa/status.h"

namespace fa::bindings {

// The Python classes for the four error codes, given once by the package.
void set_exceptions(pybind11::object invalid_argument, pybind11::object not_supported,
                    pybind11::object backend_unavailable, pybind11::object internal_error);

// Raises the class of a failed status.
void check(const Status& status);

}  // namespace fa::bindings
