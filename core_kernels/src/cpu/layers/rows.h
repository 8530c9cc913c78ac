#pragma once

// Rows of tensors as the layers read and write them.

#include <cstdint>

#include "cpu/isa_table.h"
#include "cpu/parallel.h"
#include "fa/tensor_view.h"

namespace fa::cpu {

inline char* address(const TensorView& view, int64_t elements) {
  return static_cast<char*>(view.data) + elements * dtype_size(view.dtype);
}

// Row i of [M, N].
inline char* row_of(const TensorView& view, int64_t i) { return address(view, i * view.stride[0]); }

inline int64_t index_at(const TensorView& view, int64_t i) {
  return view.dtype == DType::kInt64 ? static_cast<const int64_t*>(view.data)[i]
                                     : static_cast<const int32_t*>(view.data)[i];
}

inline float& float_at(const TensorView& view, int64_t i) {
  return static_cast<float*>(view.data)[i];
}

// Rows that make a task: enough work to be worth a hand-over between threads.
inline int64_t rows_per_task(int64_t width) {
  constexpr int64_t kElements = 16384;
  return width >= kElements ? 1 : kElements / (width > 0 ? width : 1);
}

// Calls body(begin, end) for ranges of rows, which depend on the sizes only.
template <typename Body>
void for_row_ranges(int threads, int64_t rows, int64_t step, Body&& body) {
  parallel_for(threads, (rows + step - 1) / step, [&](int64_t task) {
    int64_t end = (task + 1) * step;
    body(task * step, end < rows ? end : rows);
  });
}

}  // namespace fa::cpu
