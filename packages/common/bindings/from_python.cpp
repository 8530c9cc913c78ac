#include "from_python.h"

#include <string>

#include "torch_shim.h"

namespace py = pybind11;

namespace fa::bindings {
namespace {

// Those that the core knows; it has torch's names for them.
constexpr DType kDTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat8E4M3,
                             DType::kInt32,   DType::kInt64,   DType::kInt8};
constexpr int kDTypeCount = sizeof kDTypes / sizeof kDTypes[0];

// Attribute names and dtype objects, looked up once per process and never released: they are used
// until the interpreter ends.
struct TorchNames {
  PyObject* shape = PyUnicode_InternFromString("shape");
  PyObject* stride = PyUnicode_InternFromString("stride");
  PyObject* dtype = PyUnicode_InternFromString("dtype");
  PyObject* is_cpu = PyUnicode_InternFromString("is_cpu");
  PyObject* device = PyUnicode_InternFromString("device");
  PyObject* type = PyUnicode_InternFromString("type");
  PyObject* data_ptr = PyUnicode_InternFromString("data_ptr");
  PyObject* dtypes[kDTypeCount] = {};

  TorchNames() {
    py::module_ torch = py::module_::import("torch");
    for (int i = 0; i < kDTypeCount; ++i) {
      const char* name = dtype_name(kDTypes[i]);
      if (py::hasattr(torch, name)) dtypes[i] = py::object(torch.attr(name)).release().ptr();
    }
  }
};

const TorchNames& torch_names() {
  static const TorchNames* names = new TorchNames;
  return *names;
}

py::object attribute(py::handle object, PyObject* name) {
  PyObject* value = PyObject_GetAttr(object.ptr(), name);
  if (!value) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(value);
}

py::object call_method(py::handle object, PyObject* name) {
  PyObject* value = PyObject_CallMethodNoArgs(object.ptr(), name);
  if (!value) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(value);
}

void read_dtype(py::handle tensor, const TorchNames& names, TensorView* view) {
  py::object dtype = attribute(tensor, names.dtype);
  for (int i = 0; i < kDTypeCount; ++i) {
    if (dtype.ptr() == names.dtypes[i]) {
      view->dtype = kDTypes[i];
      return;
    }
  }
  std::string name = py::str(dtype);
  view->other_dtype = name.substr(name.find('.') + 1);
}

Device device_of(py::handle tensor, const TorchNames& names) {
  if (attribute(tensor, names.is_cpu).ptr() == Py_True) return Device::kCpu;
  py::object type = attribute(attribute(tensor, names.device), names.type);
  return PyUnicode_CompareWithASCIIString(type.ptr(), "npu") == 0 ? Device::kNpu : Device::kOther;
}

}  // namespace

void* data_of(py::handle tensor) {
  py::object address = call_method(tensor, torch_names().data_ptr);
  return PyLong_AsVoidPtr(address.ptr());
}

TensorView view_of(const char* name, py::handle tensor) {
  TensorView view;
  if (tensor.is_none() || read_through_shim(tensor, &view)) return view;
  const TorchNames& names = torch_names();
  py::object shape = attribute(tensor, names.shape);
  py::object stride = call_method(tensor, names.stride);
  if (!PyTuple_Check(shape.ptr()) || !PyTuple_Check(stride.ptr())) {
    throw py::type_error(std::string(name) + ": expected a torch.Tensor");
  }
  view.rank = static_cast<int>(PyTuple_GET_SIZE(shape.ptr()));
  if (view.rank > kMaxRank) {
    throw py::value_error(std::string(name) + ": got " + std::to_string(view.rank) +
                          " dimensions, expected at most " + std::to_string(kMaxRank));
  }
  for (int i = 0; i < view.rank; ++i) {
    view.size[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(shape.ptr(), i));
    view.stride[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(stride.ptr(), i));
  }
  view.defined = true;
  read_dtype(tensor, names, &view);
  view.device = device_of(tensor, names);
  if (view.device != Device::kOther) view.data = data_of(tensor);
  return view;
}

}  // namespace fa::bindings
