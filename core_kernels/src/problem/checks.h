#pragma once

// Checks on single tensors. Message form: "name: got X, expected Y".

#include <initializer_list>

#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

inline constexpr int64_t kMaxHeadDim = 512;
inline constexpr int32_t kMaxSplits = 256;
inline constexpr int64_t kAny = -1;  // in an expected shape: any size

Status check_device(const char* name, const TensorView& view, Device device);
Status check_dtype(const char* name, const TensorView& view, std::initializer_list<DType> allowed);
// Rank and every size but kAny; `meaning` spells the shape, e.g. "[B, Sq, Hq, D]".
Status check_shape(const char* name, const TensorView& view,
                   std::initializer_list<int64_t> expected, const char* meaning);
Status check_last_stride(const char* name, const TensorView& view);
// int32, contiguous, one dimension of `size` values on `device`.
Status check_lengths(const char* name, const TensorView& view, Device device, int64_t size);
// Scale, softcap and dropout probability.
Status check_scores(const ScoreOptions& score);

inline const int32_t* int32_data(const TensorView& view) {
  return static_cast<const int32_t*>(view.data);
}

// [rows, tokens, heads, dim], or [tokens, heads, dim] as one row.
TokenView token_view(const TensorView& view);
// [rows, heads, tokens], or [heads, tokens] as one row.
RowView row_view(const TensorView& view);
// [heads] or [batch, heads] fp32.
HeadValues head_values(const TensorView& view);

}  // namespace fa
