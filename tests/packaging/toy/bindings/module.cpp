#include <pybind11/pybind11.h>

#include "fa/toy.h"

PYBIND11_MODULE(_C, module) { module.attr("ANSWER") = 10 * fa::first() + fa::second(); }
