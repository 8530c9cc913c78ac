#include "problem/checks.h"

#include <cmath>

namespace fa {

static const char* device_name(Device device) {
  switch (device) {
    case Device::kCpu:
      return "cpu";
    case Device::kNpu:
      return "npu";
    case Device::kOther:
      break;
  }
  return "another device";
}

Status check_device(const char* name, const TensorView& view, Device device) {
  FA_REQUIRE(view.device == device, name, ": got a tensor on ", device_name(view.device),
             ", expected ", device_name(device), " (the device of q)");
  return {};
}

Status check_dtype(const char* name, const TensorView& view, std::initializer_list<DType> allowed) {
  for (DType dtype : allowed) {
    if (view.dtype == dtype) return {};
  }
  std::string list;
  for (DType dtype : allowed) list += (list.empty() ? "" : " or ") + std::string(dtype_name(dtype));
  return invalid_argument(name, ": got dtype ", view.dtype_text(), ", expected ", list);
}

static bool shape_fits(const TensorView& view, std::initializer_list<int64_t> expected) {
  if (view.rank != static_cast<int>(expected.size())) return false;
  const int64_t* actual = view.size;
  for (int64_t size : expected) {
    if (size != kAny && *actual != size) return false;
    ++actual;
  }
  return true;
}

Status check_shape(const char* name, const TensorView& view,
                   std::initializer_list<int64_t> expected, const char* meaning) {
  if (shape_fits(view, expected)) return {};
  std::string text;
  for (int64_t size : expected) {
    text += (text.empty() ? "" : ", ") + (size == kAny ? std::string("any") : std::to_string(size));
  }
  return invalid_argument(name, ": got shape ", view.shape(), ", expected [", text,
                          "] = ", meaning);
}

Status check_last_stride(const char* name, const TensorView& view) {
  int last = view.rank - 1;
  FA_REQUIRE(view.size[last] <= 1 || view.stride[last] == 1, name, ": got stride ",
             view.stride[last], " in the last dimension, expected 1 (call .contiguous())");
  return {};
}

Status check_lengths(const char* name, const TensorView& view, Device device, int64_t size) {
  FA_RETURN_IF_ERROR(check_device(name, view, device));
  FA_RETURN_IF_ERROR(check_dtype(name, view, {DType::kInt32}));
  FA_RETURN_IF_ERROR(check_shape(name, view, {size}, "one value per batch entry"));
  return check_last_stride(name, view);
}

Status check_scores(const ScoreOptions& score) {
  FA_REQUIRE(std::isfinite(score.scale), "softmax_scale: got ", score.scale,
             ", expected a finite number");
  FA_REQUIRE(std::isfinite(score.softcap) && score.softcap >= 0, "softcap: got ", score.softcap,
             ", expected a finite number >= 0 (0 = off)");
  FA_REQUIRE(score.dropout_p >= 0 && score.dropout_p < 1, "dropout_p: got ", score.dropout_p,
             ", expected 0 <= p < 1");
  return {};
}

TokenView token_view(const TensorView& view) {
  TokenView tokens;
  if (!view.defined) return tokens;
  int first = view.rank - 3;
  tokens.data = static_cast<char*>(view.data);
  tokens.dtype = view.dtype;
  tokens.row_stride = first > 0 ? view.stride[0] : 0;
  tokens.token_stride = view.stride[first];
  tokens.head_stride = view.stride[first + 1];
  return tokens;
}

RowView row_view(const TensorView& view) {
  RowView rows;
  if (!view.defined) return rows;
  int first = view.rank - 2;
  rows.data = static_cast<float*>(view.data);
  rows.row_stride = first > 0 ? view.stride[0] : 0;
  rows.head_stride = view.stride[first];
  rows.token_stride = view.stride[first + 1];
  return rows;
}

HeadValues head_values(const TensorView& view) {
  HeadValues values;
  if (!view.defined) return values;
  values.data = static_cast<const float*>(view.data);
  values.row_stride = view.rank == 2 ? view.stride[0] : 0;
  values.head_stride = view.stride[view.rank - 1];
  return values;
}

}  // namespace fa
