#include "status_to_exception.h"

namespace py = pybind11;

namespace fa::bindings {

// Indexed by StatusCode; never released, exceptions may be raised until the interpreter ends.
static PyObject* exception_classes[5] = {};

void set_exceptions(py::object invalid_argument, py::object not_supported,
                    py::object backend_unavailable, py::object internal_error) {
  py::object given[4] = {std::move(invalid_argument), std::move(not_supported),
                         std::move(backend_unavailable), std::move(internal_error)};
  for (int i = 0; i < 4; ++i) {
    Py_XDECREF(exception_classes[i + 1]);
    exception_classes[i + 1] = given[i].release().ptr();
  }
}

void check(const Status& status) {
  if (status.ok()) return;
  PyObject* type = exception_classes[static_cast<int>(status.code)];
  PyErr_SetString(type ? type : PyExc_RuntimeError, status.message.c_str());
  throw py::error_already_set();
}

}  // namespace fa::bindings
