#pragma once

// What a call of the NPU back end needs besides tensors: the stream, torch_npu's task queue, and
// memory for its workspace.

#include <pybind11/pybind11.h>

#include "fa/attention.h"
#include "torch_shim.h"

namespace fa::bindings {

// What Python does for such calls; `_C.pyi` has their contracts.
void set_npu_hooks(pybind11::object workspace, pybind11::object stream_query,
                   pybind11::object stream_handle, pybind11::object clear_status,
                   pybind11::object read_status);

// Stream and workspace of one call. The memory may go when the kernels are queued: torch's
// allocator gives it to later work of the same stream, or keeps it for the graph that is being
// captured.
class NpuRoom {
 public:
  // `tensor`: any of the call, for its device. Host memory, where the simulator's kernels also
  // work, has no stream.
  NpuRoom(pybind11::handle tensor, const Plan& plan);
  // For one that is known to be on an NPU.
  NpuRoom(pybind11::handle tensor, const TensorPlace& place, const Plan& plan);

  const Execution& execution() const { return execution_; }
  // Waits for the call, if its plan has a status; raises what kernels found wrong.
  void check_status(const Plan& plan) const;

 private:
  void allocate(pybind11::handle tensor, const Plan& plan, const TensorPlace* place);
  void use_stream(int32_t device);

  ShimTensor memory_;
  pybind11::object workspace_;  // where Python has to see the memory, or torch has no shim
  Execution execution_;
};

}  // namespace fa::bindings
