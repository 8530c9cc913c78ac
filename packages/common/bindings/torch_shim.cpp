#include "torch_shim.h"

#include <dlfcn.h>

#include <string>

namespace py = pybind11;

namespace fa::bindings {
namespace {

// A pointer to at::Tensor, which is nothing but a counted pointer to its implementation.
using TensorHandle = void*;

constexpr int32_t kNoDType = -1;  // one that this torch has not

struct Shim {
  int32_t (*get_data_ptr)(TensorHandle, void**);
  int32_t (*get_dim)(TensorHandle, int64_t*);
  int32_t (*get_sizes)(TensorHandle, int64_t**);
  int32_t (*get_strides)(TensorHandle, int64_t**);
  int32_t (*get_dtype)(TensorHandle, int32_t*);
  int32_t (*get_device_type)(TensorHandle, int32_t*);
  int32_t (*get_device_index)(TensorHandle, int32_t*);
  int32_t (*empty_strided)(int64_t, const int64_t*, const int64_t*, int32_t, int32_t, int32_t,
                           TensorHandle*);
  int32_t (*delete_tensor)(TensorHandle);
  // THPVariable_Wrap of libtorch_python. It takes a TensorBase by value or by reference, which is
  // the address of one either way; what is left of it is the caller's to delete.
  PyObject* (*wrap)(TensorHandle);
  int32_t cpu, extension, bytes;
  int32_t dtypes[static_cast<int>(DType::kOther)];
  PyObject* tensor_type;
  PyObject* parameter_type;
  PyObject* cdata;
  PyObject* layout;
  PyObject* strided;
};

template <typename Function>
bool find(void* library, const char* name, Function** function) {
  *function = library ? reinterpret_cast<Function*>(dlsym(library, name)) : nullptr;
  return *function != nullptr;
}

bool find_number(void* library, const std::string& name, int32_t* value) {
  int32_t (*get)() = nullptr;
  if (!find(library, ("aoti_torch_" + name).c_str(), &get)) return false;
  *value = get();
  return true;
}

bool find_numbers(void* library, Shim* shim) {
  for (int i = 0; i < static_cast<int>(DType::kOther); ++i) {
    const std::string name = dtype_name(static_cast<DType>(i));
    if (!find_number(library, "dtype_" + name, &shim->dtypes[i])) shim->dtypes[i] = kNoDType;
  }
  // A name for the extension's type came late; c10 promises never to renumber its types.
  constexpr int32_t kPrivateUse1 = 20;
  shim->extension = kPrivateUse1;
  find_number(library, "device_type_privateuse1", &shim->extension);
  return find_number(library, "device_type_cpu", &shim->cpu) &&
         find_number(library, "dtype_uint8", &shim->bytes);
}

void find_wrap(Shim* shim) {
  void* library = dlopen("libtorch_python.so", RTLD_NOW | RTLD_NOLOAD);
  for (const char* name :
       {"_Z16THPVariable_WrapRKN2at10TensorBaseE", "_Z16THPVariable_WrapN2at10TensorBaseE"}) {
    if (find(library, name, &shim->wrap)) return;
  }
}

// Null where a function is missing.
const Shim* find_shim() {
  void* library = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  auto* shim = new Shim{};
  bool complete = find(library, "aoti_torch_get_data_ptr", &shim->get_data_ptr) &&
                  find(library, "aoti_torch_get_dim", &shim->get_dim) &&
                  find(library, "aoti_torch_get_sizes", &shim->get_sizes) &&
                  find(library, "aoti_torch_get_strides", &shim->get_strides) &&
                  find(library, "aoti_torch_get_dtype", &shim->get_dtype) &&
                  find(library, "aoti_torch_get_device_type", &shim->get_device_type) &&
                  find(library, "aoti_torch_get_device_index", &shim->get_device_index) &&
                  find(library, "aoti_torch_empty_strided", &shim->empty_strided) &&
                  find(library, "aoti_torch_delete_tensor_object", &shim->delete_tensor) &&
                  find_numbers(library, shim);
  if (!complete) {
    delete shim;
    return nullptr;
  }
  find_wrap(shim);
  py::module_ torch = py::module_::import("torch");
  shim->tensor_type = py::object(torch.attr("Tensor")).release().ptr();
  shim->parameter_type = py::object(torch.attr("nn").attr("Parameter")).release().ptr();
  shim->strided = py::object(torch.attr("strided")).release().ptr();
  shim->cdata = PyUnicode_InternFromString("_cdata");
  shim->layout = PyUnicode_InternFromString("layout");
  return shim;
}

// Never released: used until the interpreter ends.
const Shim* shim() {
  static const Shim* found = nullptr;
  static bool searched = false;  // guarded by the GIL, see npu_is_ready
  if (!searched) {
    found = find_shim();
    searched = true;
  }
  return found;
}

// Whether torch's extension device is the NPU. Asked when a tensor is there, since torch_npu gives
// that device its name when it is imported.
bool extension_is_npu() {
  static bool known = false, is_npu = false;  // guarded by the GIL, see npu_is_ready
  if (!known) {
    py::object name_of =
        py::module_::import("torch").attr("_C").attr("_get_privateuse1_backend_name");
    is_npu = std::string(py::str(name_of())) == "npu";
    known = true;
  }
  return is_npu;
}

bool is_plain(const Shim& torch, py::handle tensor) {
  auto* type = reinterpret_cast<PyObject*>(Py_TYPE(tensor.ptr()));
  return type == torch.tensor_type || type == torch.parameter_type;
}

// Asked first, and of Python: others have no strides, the shim prints what it cannot answer, and
// not every torch has a C function for it.
bool is_strided(const Shim& torch, py::handle tensor) {
  PyObject* layout = PyObject_GetAttr(tensor.ptr(), torch.layout);
  if (!layout) throw py::error_already_set();
  Py_DECREF(layout);
  return layout == torch.strided;
}

// The address of a tensor's implementation; null if there is none.
void* implementation_of(const Shim& torch, py::handle tensor) {
  PyObject* address = PyObject_GetAttr(tensor.ptr(), torch.cdata);
  if (!address) throw py::error_already_set();
  void* implementation = PyLong_CheckExact(address) ? PyLong_AsVoidPtr(address) : nullptr;
  Py_DECREF(address);
  if (!implementation) PyErr_Clear();
  return implementation;
}

bool read_place(const Shim& torch, TensorHandle tensor, TensorPlace* place) {
  return torch.get_dtype(tensor, &place->dtype) == 0 &&
         torch.get_device_type(tensor, &place->device_type) == 0 &&
         torch.get_device_index(tensor, &place->device_index) == 0;
}

DType dtype_of(const Shim& torch, int32_t dtype) {
  for (int i = 0; i < static_cast<int>(DType::kOther); ++i) {
    if (torch.dtypes[i] == dtype) return static_cast<DType>(i);
  }
  return DType::kOther;
}

}  // namespace

bool is_plain_npu_tensor(py::handle tensor) {
  const Shim* torch = shim();
  if (!torch || !is_plain(*torch, tensor)) return false;
  void* implementation = implementation_of(*torch, tensor);
  int32_t device_type = torch->cpu;
  return implementation && torch->get_device_type(&implementation, &device_type) == 0 &&
         device_type == torch->extension && extension_is_npu();
}

bool read_through_shim(py::handle tensor, TensorView* view, TensorPlace* place) {
  const Shim* torch = shim();
  if (!torch || !is_plain(*torch, tensor) || !is_strided(*torch, tensor)) return false;
  void* implementation = implementation_of(*torch, tensor);
  TensorHandle handle = &implementation;  // borrows: the object is alive
  TensorPlace found;
  if (!implementation || !read_place(*torch, handle, &found)) return false;
  DType dtype = dtype_of(*torch, found.dtype);
  const bool on_npu = found.device_type == torch->extension && extension_is_npu();
  int64_t rank = 0;
  int64_t *sizes = nullptr, *strides = nullptr;
  if ((found.device_type != torch->cpu && !on_npu) || dtype == DType::kOther ||
      torch->get_dim(handle, &rank) != 0 || rank > kMaxRank ||
      torch->get_sizes(handle, &sizes) != 0 || torch->get_strides(handle, &strides) != 0 ||
      torch->get_data_ptr(handle, &view->data) != 0) {
    return false;
  }
  view->dtype = dtype;
  view->device = on_npu ? Device::kNpu : Device::kCpu;
  view->defined = true;
  view->rank = static_cast<int>(rank);
  for (int i = 0; i < view->rank; ++i) {
    view->size[i] = sizes[i];
    view->stride[i] = strides[i];
  }
  if (place) *place = found;
  return true;
}

ShimTensor::~ShimTensor() {
  if (handle_) shim()->delete_tensor(handle_);
}

bool ShimTensor::allocate(int rank, const int64_t* sizes, int32_t dtype, const TensorPlace& place) {
  const Shim* torch = shim();
  if (!torch || handle_) return false;
  int64_t strides[kMaxRank] = {}, next = 1;
  for (int i = rank - 1; i >= 0; --i) {
    strides[i] = next;
    next *= sizes[i] > 1 ? sizes[i] : 1;
  }
  // As torch does: another thread may keep the allocator until it gets the GIL.
  py::gil_scoped_release unlocked;
  return torch->empty_strided(rank, sizes, strides, dtype, place.device_type, place.device_index,
                              &handle_) == 0;
}

bool ShimTensor::allocate(int64_t bytes, const TensorPlace& place) {
  return shim() && allocate(1, &bytes, shim()->bytes, place);
}

void* ShimTensor::data() const {
  void* data = nullptr;
  if (handle_) shim()->get_data_ptr(handle_, &data);
  return data;
}

bool ShimTensor::has_objects() { return shim() && shim()->wrap; }

py::object ShimTensor::to_python() {
  PyObject* object = shim()->wrap(handle_);
  if (!object) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

int32_t shim_dtype(DType dtype) { return shim()->dtypes[static_cast<int>(dtype)]; }

}  // namespace fa::bindings
