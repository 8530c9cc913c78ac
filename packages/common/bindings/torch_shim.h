#pragma once

// libtorch's C shim (torch/csrc/inductor/aoti_torch/c/shim.h), which promises a stable ABI: facts
// of tensors and memory of torch's allocators without a Python call. Found by symbol in the library
// that the process has loaded, so that this module links no libtorch; torch 2.1 has not all of it.

#include <pybind11/pybind11.h>

#include "fa/tensor_view.h"

namespace fa::bindings {

// A torch.Tensor or Parameter on an NPU, not of a subclass: another one may mean something else by
// its memory.
bool is_plain_npu_tensor(pybind11::handle tensor);

// Where a tensor is, and what it holds, in torch's numbers.
struct TensorPlace {
  int32_t dtype = 0, device_type = 0, device_index = 0;
};

// Fills `view` and returns true for a plain strided tensor in host or NPU memory of a dtype that
// the core knows; otherwise leaves it alone, and the caller reads attributes.
bool read_through_shim(pybind11::handle tensor, TensorView* view, TensorPlace* place = nullptr);

// A contiguous tensor of torch's allocator, from its current stream, like any that torch makes.
class ShimTensor {
 public:
  ShimTensor() = default;
  ShimTensor(const ShimTensor&) = delete;
  ShimTensor& operator=(const ShimTensor&) = delete;
  ~ShimTensor();

  // False if torch has no shim or raised.
  bool allocate(int rank, const int64_t* sizes, int32_t dtype, const TensorPlace& place);
  // Bytes of memory.
  bool allocate(int64_t bytes, const TensorPlace& place);

  // Null also if torch raised.
  void* data() const;
  // Whether torch has a function for the next.
  static bool has_objects();
  // A Python object for the tensor.
  pybind11::object to_python();

 private:
  void* handle_ = nullptr;
};

// torch's number of a dtype.
int32_t shim_dtype(DType dtype);

}  // namespace fa::bindings
