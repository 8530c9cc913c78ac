#include "layers.h"

#include "fa/layers.h"
#include "from_python.h"
#include "status_to_exception.h"

namespace py = pybind11;
using py::handle;

namespace fa::bindings {
namespace {

// Runs without the GIL, then raises what the call returned.
template <typename Call>
void run(Status (*function)(const Call&), const Call& call) {
  Status status;
  {
    py::gil_scoped_release unlocked;
    status = function(call);
  }
  check(status);
}

void run_rotary(handle x, handle out, handle cos, handle sin, handle offsets, int64_t offset,
                handle cu_seqlens, bool interleaved, bool conjugate, int threads) {
  RotaryCall call;
  call.x = view_of("x", x);
  call.out = view_of("out", out);
  call.cos = view_of("cos", cos);
  call.sin = view_of("sin", sin);
  call.offsets = view_of("seqlen_offsets", offsets);
  call.cu_seqlens = view_of("cu_seqlens", cu_seqlens);
  call.offset = offset;
  call.interleaved = interleaved;
  call.conjugate = conjugate;
  call.threads = threads;
  run(rotary, call);
}

void run_cross_entropy(handle logits, handle labels, handle given_lse, handle losses,
                       handle z_losses, handle lse, double smoothing, double logit_scale,
                       double lse_square_scale, int64_t ignore_index, int64_t total_classes,
                       int64_t class_start, bool split, int threads) {
  CrossEntropyCall call;
  call.logits = view_of("logits", logits);
  call.labels = view_of("labels", labels);
  call.given_lse = view_of("precomputed_lse", given_lse);
  call.losses = view_of("losses", losses);
  call.z_losses = view_of("z_losses", z_losses);
  call.lse = view_of("lse", lse);
  call.options = {smoothing,    logit_scale,   lse_square_scale,
                  ignore_index, total_classes, class_start};
  call.split = split;
  call.threads = threads;
  run(cross_entropy, call);
}

void run_cross_entropy_backward(handle dloss, handle logits, handle lse, handle labels,
                                handle dlogits, double smoothing, double logit_scale,
                                double lse_square_scale, int64_t ignore_index,
                                int64_t total_classes, int64_t class_start, int threads) {
  CrossEntropyBackwardCall call;
  call.dloss = view_of("dloss", dloss);
  call.logits = view_of("logits", logits);
  call.lse = view_of("lse", lse);
  call.labels = view_of("labels", labels);
  call.dlogits = view_of("dlogits", dlogits);
  call.options = {smoothing,    logit_scale,   lse_square_scale,
                  ignore_index, total_classes, class_start};
  call.threads = threads;
  run(cross_entropy_backward, call);
}

void run_norm(handle x, handle residual, handle weight, handle bias, handle weight1, handle bias1,
              handle y, handle y1, handle sum, double eps, bool zero_centered, bool rms,
              int threads) {
  NormCall call;
  call.x = view_of("x", x);
  call.residual = view_of("residual", residual);
  call.weight = view_of("weight", weight);
  call.bias = view_of("bias", bias);
  call.weight1 = view_of("weight1", weight1);
  call.bias1 = view_of("bias1", bias1);
  call.y = view_of("y", y);
  call.y1 = view_of("y1", y1);
  call.sum = view_of("sum", sum);
  call.options = {eps, zero_centered, rms};
  call.threads = threads;
  run(norm, call);
}

void run_norm_backward(handle dy, handle dy1, handle dsum, handle sum, handle weight,
                       handle weight1, handle dx, handle dresidual, handle dweight, handle dbias,
                       handle dweight1, handle dbias1, double eps, bool zero_centered, bool rms,
                       int threads) {
  NormBackwardCall call;
  call.dy = view_of("dy", dy);
  call.dy1 = view_of("dy1", dy1);
  call.dsum = view_of("dsum", dsum);
  call.sum = view_of("sum", sum);
  call.weight = view_of("weight", weight);
  call.weight1 = view_of("weight1", weight1);
  call.dx = view_of("dx", dx);
  call.dresidual = view_of("dresidual", dresidual);
  call.dweight = view_of("dweight", dweight);
  call.dbias = view_of("dbias", dbias);
  call.dweight1 = view_of("dweight1", dweight1);
  call.dbias1 = view_of("dbias1", dbias1);
  call.options = {eps, zero_centered, rms};
  call.threads = threads;
  run(norm_backward, call);
}

}  // namespace

void define_layers(py::module_& module) {
  module.def("rotary", &run_rotary);
  module.def("cross_entropy", &run_cross_entropy);
  module.def("cross_entropy_backward", &run_cross_entropy_backward);
  module.def("norm", &run_norm);
  module.def("norm_backward", &run_norm_backward);
}

}  // namespace fa::bindings
