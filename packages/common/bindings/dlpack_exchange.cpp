#include "dlpack_exchange.h"

#include <cstdint>
#include <string>

namespace py = pybind11;

namespace fa::bindings {
namespace {

// The part of DLPack's documented ABI (dlpack.h 1.3, DLPackExchangeAPI) that is needed here.
struct DlDevice {
  int32_t type;
  int32_t id;
};

struct DlDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};

struct DlTensor {
  void* data;
  DlDevice device;
  int32_t rank;
  DlDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};

struct DlExchangeTable {
  uint32_t major_version;
  uint32_t minor_version;
  void* previous;
  void* allocate;
  void* managed_from_object;
  void* managed_to_object;
  // Borrows from a live Python object, without synchronising; 0 on success.
  int (*tensor_from_object)(void* object, DlTensor* tensor);
  void* current_stream;
};

constexpr uint32_t kMajorVersion = 1;
constexpr int32_t kCpu = 1;
constexpr int32_t kExtension = 12;  // torch's PrivateUse1

struct Exchange {
  const DlExchangeTable* table = nullptr;
  PyObject* tensor_type = nullptr;
  PyObject* parameter_type = nullptr;

  Exchange() {
    py::module_ torch = py::module_::import("torch");
    py::object type = torch.attr("Tensor");
    const char* name = "__dlpack_c_exchange_api__";
    if (!py::hasattr(type, name)) return;
    py::object capsule = type.attr(name);
    void* pointer = PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api");
    if (!pointer) {
      PyErr_Clear();
      return;
    }
    const auto* found = static_cast<const DlExchangeTable*>(pointer);
    if (found->major_version != kMajorVersion || !found->tensor_from_object) return;
    parameter_type = py::object(torch.attr("nn").attr("Parameter")).release().ptr();
    tensor_type = type.release().ptr();
    table = found;
  }
};

// Never released: used until the interpreter ends.
const Exchange& exchange() {
  static const Exchange* found = new Exchange;
  return *found;
}

// Whether torch's extension device is the NPU. Asked when a tensor is there, since torch_npu gives
// that device its name when it is imported.
bool extension_is_npu() {
  static const bool is_npu = [] {
    py::object name_of =
        py::module_::import("torch").attr("_C").attr("_get_privateuse1_backend_name");
    return std::string(py::str(name_of())) == "npu";
  }();
  return is_npu;
}

DType dtype_of(const DlDataType& dtype) {
  enum Code { kInt = 0, kFloat = 2, kBFloat = 4, kFloat8E4M3Fn = 10 };
  if (dtype.lanes != 1) return DType::kOther;
  switch (dtype.code << 8 | dtype.bits) {
    case kFloat << 8 | 32:
      return DType::kFloat32;
    case kFloat << 8 | 16:
      return DType::kFloat16;
    case kBFloat << 8 | 16:
      return DType::kBFloat16;
    case kFloat8E4M3Fn << 8 | 8:
      return DType::kFloat8E4M3;
    case kInt << 8 | 8:
      return DType::kInt8;
    case kInt << 8 | 32:
      return DType::kInt32;
    case kInt << 8 | 64:
      return DType::kInt64;
    default:
      return DType::kOther;
  }
}

}  // namespace

bool read_through_dlpack(py::handle tensor, TensorView* view) {
  const Exchange& found = exchange();
  if (!found.table) return false;
  // Other subclasses may mean something else by their memory.
  auto* type = reinterpret_cast<PyObject*>(Py_TYPE(tensor.ptr()));
  if (type != found.tensor_type && type != found.parameter_type) return false;
  DlTensor source;
  if (found.table->tensor_from_object(tensor.ptr(), &source) != 0) {
    PyErr_Clear();
    return false;
  }
  DType dtype = dtype_of(source.dtype);
  const bool on_npu = source.device.type == kExtension && extension_is_npu();
  if ((source.device.type != kCpu && !on_npu) || source.rank > kMaxRank || dtype == DType::kOther ||
      (source.rank > 0 && !source.strides)) {
    return false;
  }
  view->data = static_cast<char*>(source.data) + source.byte_offset;
  view->dtype = dtype;
  view->device = on_npu ? Device::kNpu : Device::kCpu;
  view->defined = true;
  view->rank = source.rank;
  for (int i = 0; i < source.rank; ++i) {
    view->size[i] = source.shape[i];
    view->stride[i] = source.strides[i];
  }
  return true;
}

}  // namespace fa::bindings
