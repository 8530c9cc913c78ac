#include "plain_call.h"

#include <cmath>
#include <vector>

#include "fa/attention.h"
#include "npu_call.h"
#include "status_to_exception.h"
#include "torch_shim.h"

namespace py = pybind11;
using py::handle;

namespace fa::bindings {
namespace {

// Questions to torch, each a function without arguments. Never released: used until the interpreter
// ends.
struct TorchState {
  PyObject* wants_grad = nullptr;  // whether gradients are recorded at all
  PyObject* is_ready = nullptr;    // whether calls with NPU tensors need no more looking at
  // Whether somebody watches or changes operators: then the dispatcher has to be passed.
  std::vector<PyObject*> watchers;
  PyObject* requires_grad = PyUnicode_InternFromString("requires_grad");
  PyObject* is_neg = PyUnicode_InternFromString("is_neg");
};

TorchState& torch_state() {
  static auto* state = new TorchState;
  return *state;
}

void set_torch_state(const py::object& wants_grad, const py::object& is_ready,
                     const py::sequence& watchers) {
  TorchState& state = torch_state();
  state.wants_grad = py::object(wants_grad).release().ptr();
  state.is_ready = py::object(is_ready).release().ptr();
  state.watchers.clear();
  for (handle watcher : watchers) state.watchers.push_back(watcher.inc_ref().ptr());
}

// Steals `value`.
bool is_true(PyObject* value) {
  if (!value) throw py::error_already_set();
  const int truth = PyObject_IsTrue(value);
  Py_DECREF(value);
  if (truth < 0) throw py::error_already_set();
  return truth != 0;
}

bool answers_yes(PyObject* function) { return is_true(PyObject_CallNoArgs(function)); }

// Guarded by the GIL, not by the initialisation of a static: whoever waits for that keeps the GIL,
// which the one that asks Python may need.
bool npu_is_ready() {
  static bool known = false, ready = false;
  if (!known) {
    ready = answers_yes(torch_state().is_ready);
    known = true;
  }
  return ready;
}

bool is_watched() {
  for (PyObject* watcher : torch_state().watchers) {
    if (answers_yes(watcher)) return true;
  }
  return false;
}

// Arguments of `attend_plain` by position.
enum Argument {
  kQ,
  kK,
  kV,
  kLengths,
  kPages,
  kCausal,
  kScale,
  kSplits,
  kWindow,
  kSoftcap,
  kApi,
  kWithLse,
  kCount
};
constexpr int kTensors = kCausal;
// In the words that pybind11 finds for the other functions.
constexpr char kSignature[] =
    "attend_plain(q: object, k: object, v: object, seqused_k: object, page_table: object, "
    "causal: object, softmax_scale: object, num_splits: object, window: object, "
    "softcap: object, api: object, with_lse: object) -> object";

struct PlainCall {
  ForwardCall call;
  TensorPlace places[kTensors];
  bool with_lse = false;
};

bool take_integer(PyObject* value, int64_t* result) {
  if (!PyLong_CheckExact(value)) return false;
  int overflow = 0;
  *result = PyLong_AsLongLongAndOverflow(value, &overflow);
  return overflow == 0;
}

bool take_bool(PyObject* value, bool* result) {
  *result = value == Py_True;
  return *result || value == Py_False;
}

bool take_window(PyObject* value, MaskOptions* mask) {
  return PyTuple_CheckExact(value) && PyTuple_GET_SIZE(value) == 2 &&
         take_integer(PyTuple_GET_ITEM(value, 0), &mask->window_left) &&
         take_integer(PyTuple_GET_ITEM(value, 1), &mask->window_right);
}

// After the tensors: the default scale needs the head dim.
bool take_options(PyObject* const* given, PlainCall* plain) {
  ForwardCall& call = plain->call;
  int64_t api = 0;
  if (given[kScale] == Py_None) {
    call.score.scale = 1.0 / std::sqrt(static_cast<double>(call.q.size[3]));
  } else if (PyFloat_CheckExact(given[kScale])) {
    call.score.scale = PyFloat_AS_DOUBLE(given[kScale]);
  } else {
    return false;
  }
  if (!take_bool(given[kCausal], &call.mask.causal) ||
      !take_integer(given[kSplits], &call.options.num_splits) ||
      !take_window(given[kWindow], &call.mask) || !PyFloat_CheckExact(given[kSoftcap]) ||
      !take_integer(given[kApi], &api) || !take_bool(given[kWithLse], &plain->with_lse)) {
    return false;
  }
  call.score.softcap = PyFloat_AS_DOUBLE(given[kSoftcap]);
  call.api = static_cast<Api>(api);
  return true;
}

// A tensor that means what its memory holds: no subclass, not lazily negated or zero.
bool take_tensor(PyObject* given, TensorView* view, TensorPlace* place) {
  if (!read_through_shim(given, view, place) || view->device != Device::kNpu || !view->data) {
    return false;
  }
  return !is_true(PyObject_CallMethodNoArgs(given, torch_state().is_neg));
}

bool take_tensors(PyObject* const* given, PlainCall* plain) {
  ForwardCall& call = plain->call;
  TensorView* const views[kTensors] = {&call.q, &call.k, &call.v, &call.lengths.seqused_k,
                                       &call.cache.page_table};
  for (int i = 0; i < kTensors; ++i) {
    if (i > kV && given[i] == Py_None) continue;
    if (!take_tensor(given[i], views[i], &plain->places[i])) return false;
  }
  // Whatever is odd about shapes is for the other way to say.
  const DType dtype = call.q.dtype;
  const bool is_half = dtype == DType::kFloat16 || dtype == DType::kBFloat16;
  return is_half && call.k.dtype == dtype && call.v.dtype == dtype && call.q.rank == 4 &&
         call.q.size[3] > 0 && call.v.rank == 4;
}

bool wants_gradient(PyObject* const* given) {
  const TorchState& state = torch_state();
  if (!answers_yes(state.wants_grad)) return false;
  for (int i = kQ; i <= kV; ++i) {
    if (is_true(PyObject_GetAttr(given[i], state.requires_grad))) return true;
  }
  return false;
}

// A result that has elements: the tensor, and what the core sees of it.
bool make_result(const TensorPlace& place, DType dtype, int rank, const int64_t* sizes,
                 ShimTensor* tensor, TensorView* view) {
  if (!tensor->allocate(rank, sizes, shim_dtype(dtype), place)) return false;
  view->data = tensor->data();
  if (!view->data) return false;
  view->dtype = dtype;
  view->device = Device::kNpu;
  view->defined = true;
  view->rank = rank;
  int64_t next = 1;
  for (int i = rank - 1; i >= 0; --i) {
    view->size[i] = sizes[i];
    view->stride[i] = next;
    next *= sizes[i] > 1 ? sizes[i] : 1;
  }
  return true;
}

py::object none() { return py::none(); }

py::object attend(PyObject* const* given) {
  // Watchers first: what transforms wrap has no memory to read.
  if (torch_state().watchers.empty() || !is_plain_npu_tensor(given[kQ]) ||
      !ShimTensor::has_objects() || is_watched()) {
    return none();
  }
  PlainCall plain;
  ForwardCall& call = plain.call;
  if (!take_tensors(given, &plain) || !take_options(given, &plain) || !npu_is_ready() ||
      wants_gradient(given)) {
    return none();
  }
  const TensorView& q = call.q;
  const int64_t out_sizes[] = {q.size[0], q.size[1], q.size[2], call.v.size[3]};
  const int64_t lse_sizes[] = {q.size[0], q.size[2], q.size[1]};
  ShimTensor out, lse;
  if (!make_result(plain.places[kQ], q.dtype, 4, out_sizes, &out, &call.out) ||
      !make_result(plain.places[kQ], DType::kFloat32, 3, lse_sizes, &lse, &call.lse)) {
    return none();
  }
  ForwardProblem problem;
  Plan plan;
  // A refusal is said by the other way, which knows the caller's names.
  if (!prepare_forward(call, &problem, &plan).ok() || plan.cores == 0 || plan.status_bytes > 0) {
    return none();
  }
  NpuRoom room(given[kQ], plain.places[kQ], plan);
  // As objects before anything is queued, so that nothing can fail behind it.
  py::object result = out.to_python();
  if (plain.with_lse) {
    py::object second = lse.to_python();
    result = py::reinterpret_steal<py::object>(PyTuple_Pack(2, result.ptr(), second.ptr()));
    if (!result) throw py::error_already_set();
  }
  Status status;
  {
    py::gil_scoped_release unlocked;
    status = run_forward(problem, plan, room.execution());
  }
  check(status);
  last_plan() = plan;
  return result;
}

PyObject* attend_plain(PyObject*, PyObject* const* given, Py_ssize_t count) {
  try {
    if (count != kCount) throw py::type_error("attend_plain: another number of arguments");
    return attend(given).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

}  // namespace

Plan& last_plan() {
  static thread_local Plan plan;
  return plan;
}

void define_plain_call(py::module_& module) {
  module.def("set_torch_state", &set_torch_state);
  // Not through pybind11, which would cost as much as all checks.
  static PyMethodDef methods[] = {
      {"attend_plain", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(attend_plain)),
       METH_FASTCALL, kSignature},
      {nullptr, nullptr, 0, nullptr}};
  if (PyModule_AddFunctions(module.ptr(), methods) != 0) throw py::error_already_set();
}

}  // namespace fa::bindings
