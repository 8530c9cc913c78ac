#include "problem/layers.h"

#include "problem/checks.h"

namespace fa {
namespace {

// fp32, fp16 or bf16 on the CPU with contiguous last dim, of a shape.
Status check_values(const char* name, const TensorView& view,
                    std::initializer_list<int64_t> expected, const char* meaning) {
  FA_REQUIRE(view.defined, name, ": got None, expected a tensor");
  FA_RETURN_IF_ERROR(check_device(name, view, Device::kCpu));
  FA_RETURN_IF_ERROR(check_dtype(name, view, {DType::kFloat32, DType::kFloat16, DType::kBFloat16}));
  FA_RETURN_IF_ERROR(check_shape(name, view, expected, meaning));
  return check_last_stride(name, view);
}

Status check_optional(const char* name, const TensorView& view,
                      std::initializer_list<int64_t> expected, const char* meaning) {
  return view.defined ? check_values(name, view, expected, meaning) : Status{};
}

Status check_floats(const char* name, const TensorView& view, int64_t size) {
  FA_RETURN_IF_ERROR(check_values(name, view, {size}, "one value per row or column"));
  return check_dtype(name, view, {DType::kFloat32});
}

Status check_indices(const char* name, const TensorView& view, int64_t size) {
  FA_REQUIRE(view.defined, name, ": got None, expected a tensor");
  FA_RETURN_IF_ERROR(check_device(name, view, Device::kCpu));
  FA_RETURN_IF_ERROR(check_dtype(name, view, {DType::kInt32, DType::kInt64}));
  FA_RETURN_IF_ERROR(check_shape(name, view, {size}, "one index each"));
  return check_last_stride(name, view);
}

int64_t index_at(const TensorView& view, int64_t i) {
  return view.dtype == DType::kInt64 ? static_cast<const int64_t*>(view.data)[i]
                                     : static_cast<const int32_t*>(view.data)[i];
}

Status check_bounds(const TensorView& cu_seqlens, int64_t tokens) {
  for (int64_t i = 0, before = 0; i < cu_seqlens.size[0]; ++i) {
    int64_t bound = index_at(cu_seqlens, i);
    FA_REQUIRE(bound >= before && bound <= tokens, "cu_seqlens: got ", bound, " at ", i,
               ", expected rising values up to ", tokens);
    before = bound;
  }
  return {};
}

Status check_labels(const TensorView& logits, const TensorView& labels) {
  FA_RETURN_IF_ERROR(check_values("logits", logits, {kAny, kAny}, "[N, classes]"));
  return check_indices("labels", labels, logits.size[0]);
}

}  // namespace

Status check_rotary(const RotaryCall& call) {
  const TensorView& x = call.x;
  const bool packed = call.cu_seqlens.defined;
  if (packed) {
    FA_RETURN_IF_ERROR(check_values("x", x, {kAny, kAny, kAny}, "[T, H, D]"));
    FA_RETURN_IF_ERROR(check_values("out", call.out, {x.size[0], x.size[1], x.size[2]}, "like x"));
    FA_RETURN_IF_ERROR(check_indices("cu_seqlens", call.cu_seqlens, kAny));
    FA_REQUIRE(call.cu_seqlens.size[0] >= 1, "cu_seqlens: got no value, expected B + 1");
    FA_RETURN_IF_ERROR(check_bounds(call.cu_seqlens, x.size[0]));
  } else {
    FA_RETURN_IF_ERROR(check_values("x", x, {kAny, kAny, kAny, kAny}, "[B, S, H, D]"));
    FA_RETURN_IF_ERROR(
        check_values("out", call.out, {x.size[0], x.size[1], x.size[2], x.size[3]}, "like x"));
  }
  FA_REQUIRE(call.out.dtype == x.dtype, "out: got dtype ", call.out.dtype_text(), ", expected ",
             x.dtype_text());
  FA_RETURN_IF_ERROR(check_values("cos", call.cos, {kAny, kAny}, "[rotary_len, rotary_dim / 2]"));
  FA_RETURN_IF_ERROR(
      check_values("sin", call.sin, {call.cos.size[0], call.cos.size[1]}, "like cos"));
  FA_REQUIRE(2 * call.cos.size[1] <= x.size[x.rank - 1], "cos: got ", call.cos.size[1],
             " columns, expected at most ", x.size[x.rank - 1] / 2);
  if (!call.offsets.defined) return {};
  int64_t batch = packed ? call.cu_seqlens.size[0] - 1 : x.size[0];
  return check_indices("seqlen_offsets", call.offsets, batch);
}

Status check_cross_entropy(const CrossEntropyCall& call) {
  FA_RETURN_IF_ERROR(check_labels(call.logits, call.labels));
  const int64_t rows = call.logits.size[0];
  if (call.given_lse.defined) {
    FA_RETURN_IF_ERROR(check_floats("precomputed_lse", call.given_lse, rows));
  }
  FA_RETURN_IF_ERROR(check_floats("losses", call.losses, rows));
  FA_RETURN_IF_ERROR(check_floats("z_losses", call.z_losses, rows));
  return check_floats("lse", call.lse, rows);
}

Status check_cross_entropy_backward(const CrossEntropyBackwardCall& call) {
  FA_RETURN_IF_ERROR(check_labels(call.logits, call.labels));
  const int64_t rows = call.logits.size[0];
  FA_RETURN_IF_ERROR(check_floats("dloss", call.dloss, rows));
  FA_RETURN_IF_ERROR(check_floats("lse", call.lse, rows));
  return check_values("dlogits", call.dlogits, {rows, call.logits.size[1]}, "like logits");
}

Status check_norm(const NormCall& call) {
  FA_RETURN_IF_ERROR(check_values("x", call.x, {kAny, kAny}, "[M, N]"));
  const int64_t rows = call.x.size[0], width = call.x.size[1];
  FA_RETURN_IF_ERROR(check_optional("residual", call.residual, {rows, width}, "[M, N]"));
  FA_RETURN_IF_ERROR(check_values("weight", call.weight, {width}, "[N]"));
  FA_RETURN_IF_ERROR(check_optional("bias", call.bias, {width}, "[N]"));
  FA_RETURN_IF_ERROR(check_optional("weight1", call.weight1, {width}, "[N]"));
  FA_RETURN_IF_ERROR(check_optional("bias1", call.bias1, {width}, "[N]"));
  FA_RETURN_IF_ERROR(check_values("y", call.y, {rows, width}, "[M, N]"));
  FA_RETURN_IF_ERROR(check_optional("sum", call.sum, {rows, width}, "[M, N]"));
  return call.weight1.defined ? check_values("y1", call.y1, {rows, width}, "[M, N]") : Status{};
}

Status check_norm_backward(const NormBackwardCall& call) {
  FA_RETURN_IF_ERROR(check_values("dy", call.dy, {kAny, kAny}, "[M, N]"));
  const int64_t rows = call.dy.size[0], width = call.dy.size[1];
  FA_RETURN_IF_ERROR(check_values("sum", call.sum, {rows, width}, "[M, N]"));
  FA_RETURN_IF_ERROR(check_optional("dsum", call.dsum, {rows, width}, "[M, N]"));
  FA_RETURN_IF_ERROR(check_values("weight", call.weight, {width}, "[N]"));
  FA_RETURN_IF_ERROR(check_values("dx", call.dx, {rows, width}, "[M, N]"));
  FA_RETURN_IF_ERROR(check_optional("dresidual", call.dresidual, {rows, width}, "[M, N]"));
  FA_RETURN_IF_ERROR(check_floats("dweight", call.dweight, width));
  FA_RETURN_IF_ERROR(check_floats("dbias", call.dbias, width));
  if (!call.weight1.defined) return {};
  FA_RETURN_IF_ERROR(check_values("dy1", call.dy1, {rows, width}, "[M, N]"));
  FA_RETURN_IF_ERROR(check_values("weight1", call.weight1, {width}, "[N]"));
  FA_RETURN_IF_ERROR(check_floats("dweight1", call.dweight1, width));
  return check_floats("dbias1", call.dbias1, width);
}

}  // namespace fa
