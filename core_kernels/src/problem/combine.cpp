// Checks of a combine call.

#include "problem/checks.h"
#include "problem/normalize.h"

namespace fa {

Status check_combine(const CombineCall& call) {
  const TensorView& o = call.out_partial;
  FA_RETURN_IF_ERROR(check_dtype("out_partial", o, {DType::kFloat32}));
  FA_RETURN_IF_ERROR(
      check_shape("out_partial", o, {kAny, kAny, kAny, kAny, kAny}, "[num_splits, B, S, H, Dv]"));
  FA_RETURN_IF_ERROR(check_last_stride("out_partial", o));
  FA_RETURN_IF_ERROR(check_device("lse_partial", call.lse_partial, o.device));
  FA_RETURN_IF_ERROR(check_dtype("lse_partial", call.lse_partial, {DType::kFloat32}));
  FA_RETURN_IF_ERROR(check_shape("lse_partial", call.lse_partial,
                                 {o.size[0], o.size[1], o.size[2], o.size[3]},
                                 "[num_splits, B, S, H]"));
  FA_RETURN_IF_ERROR(check_device("out", call.out, o.device));
  FA_RETURN_IF_ERROR(
      check_dtype("out", call.out, {DType::kFloat32, DType::kFloat16, DType::kBFloat16}));
  FA_RETURN_IF_ERROR(
      check_shape("out", call.out, {o.size[1], o.size[2], o.size[3], o.size[4]}, "[B, S, H, Dv]"));
  FA_RETURN_IF_ERROR(check_last_stride("out", call.out));
  FA_RETURN_IF_ERROR(check_device("lse", call.lse, o.device));
  FA_RETURN_IF_ERROR(check_dtype("lse", call.lse, {DType::kFloat32}));
  FA_REQUIRE(o.size[0] >= 1 && o.size[0] <= 256, "out_partial: got ", o.size[0],
             " splits, expected 1 to 256");
  return check_shape("lse", call.lse, {o.size[1], o.size[2], o.size[3]}, "[B, S, H]");
}

}  // namespace fa
