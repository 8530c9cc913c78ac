#include "npu_call.h"

#include <string>
#include <vector>

#include "from_python.h"
#include "status_to_exception.h"
#include "task_queue.h"

namespace py = pybind11;

namespace fa::bindings {
namespace {

// Never released: used until the interpreter ends.
struct Hooks {
  PyObject* workspace = nullptr;
  PyObject* stream_query = nullptr;
  PyObject* stream_handle = nullptr;
  PyObject* clear_status = nullptr;
  PyObject* read_status = nullptr;
};
Hooks hooks;

struct Stream {
  int64_t id;
  int32_t device;
  void* handle;
};

// torch_npu gives a handle after its task queue has run empty, which a call must not wait for;
// streams are never destroyed. Guarded by the GIL.
std::vector<Stream>& known_streams() {
  static auto* streams = new std::vector<Stream>;
  return *streams;
}

py::object called(PyObject* function, py::handle argument) {
  PyObject* result = PyObject_CallOneArg(function, argument.ptr());
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

int64_t integer(PyObject* value) {
  int64_t result = PyLong_AsLongLong(value);
  if (result == -1 && PyErr_Occurred()) throw py::error_already_set();
  return result;
}

void* handle_of(py::handle device) {
  return PyLong_AsVoidPtr(called(hooks.stream_handle, device).ptr());
}

void* current_stream(int32_t device) {
  static PyObject* query = nullptr;  // guarded by the GIL
  if (!query) query = py::object(py::handle(hooks.stream_query)()).release().ptr();
  py::int_ index(device);
  if (!task_queue()) return handle_of(index);  // each launch waits until torch_npu's queue is empty
  py::object stream = called(query, index);
  if (!PyTuple_Check(stream.ptr())) throw py::type_error("torch_npu: a stream that is no tuple");
  const int64_t id = integer(PyTuple_GET_ITEM(stream.ptr(), 0));
  for (const Stream& known : known_streams()) {
    if (known.id == id && known.device == device) return known.handle;
  }
  void* handle = handle_of(index);
  known_streams().push_back({id, device, handle});
  return handle;
}

}  // namespace

void set_npu_hooks(py::object workspace, py::object stream_query, py::object stream_handle,
                   py::object clear_status, py::object read_status) {
  hooks = {workspace.release().ptr(), stream_query.release().ptr(), stream_handle.release().ptr(),
           clear_status.release().ptr(), read_status.release().ptr()};
}

NpuRoom::NpuRoom(py::handle tensor, const Plan& plan) {
  TensorView view;
  TensorPlace place;
  const bool known = read_through_shim(tensor, &view, &place);
  if (!known) view = view_of("tensor", tensor);
  allocate(tensor, plan, known ? &place : nullptr);
  if (view.device != Device::kNpu) return;
  const auto device = known ? place.device_index : integer(tensor.attr("get_device")().ptr());
  use_stream(static_cast<int32_t>(device));
}

NpuRoom::NpuRoom(py::handle tensor, const TensorPlace& place, const Plan& plan) {
  allocate(tensor, plan, &place);
  use_stream(place.device_index);
}

void NpuRoom::use_stream(int32_t device) {
  execution_.stream = current_stream(device);
  if (execution_.stream) execution_.queue = task_queue();
}

void NpuRoom::allocate(py::handle tensor, const Plan& plan, const TensorPlace* place) {
  if (plan.workspace_bytes == 0) return;
  if (place && plan.status_bytes == 0 && memory_.allocate(plan.workspace_bytes, *place)) {
    execution_.workspace = memory_.data();
    return;
  }
  workspace_ = py::handle(hooks.workspace)(tensor, plan.workspace_bytes);
  execution_.workspace = data_of(workspace_);
  if (plan.status_bytes > 0) py::handle(hooks.clear_status)(workspace_, plan.status_bytes);
}

void NpuRoom::check_status(const Plan& plan) const {
  if (plan.status_bytes == 0) return;
  std::string words = py::bytes(py::handle(hooks.read_status)(workspace_, plan.status_bytes));
  check(device_status(plan, words.data()));
}

}  // namespace fa::bindings
