// Visits the elements of several strided tensors together.
#pragma once

#include <array>
#include <utility>

#include "operators/numbers.h"
#include "operators/tensor.h"

namespace ascsim::cann {

// A tensor seen through an index space of more or larger dimensions (broadcast).
struct Cursor {
  char* at;
  Sizes step;  // bytes, by dimension of the index space
};

// Requires broadcastable(); dimensions are aligned at the last one.
inline Cursor cursor_over(const aclTensor& tensor, const Sizes& space) {
  Cursor c{tensor.first(), Sizes(space.size(), 0)};
  const auto bytes = static_cast<int64_t>(bytes_of(tensor.data_type));
  const size_t missing = space.size() - tensor.sizes.size();
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (tensor.sizes[i] != 1) c.step[i + missing] = tensor.strides[i] * bytes;
  }
  return c;
}

inline bool broadcastable(const aclTensor& tensor, const Sizes& space) {
  if (tensor.sizes.size() > space.size()) return false;
  const size_t missing = space.size() - tensor.sizes.size();
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (tensor.sizes[i] != 1 && tensor.sizes[i] != space[i + missing]) return false;
  }
  return true;
}

// Calls `visit(pointers)` for every index, the last dimension fastest.
template <size_t kCount, typename Visit>
void walk(const Sizes& space, std::array<Cursor, kCount> cursors, Visit visit) {
  for (const int64_t size : space) {
    if (size == 0) return;
  }
  Sizes index(space.size(), 0);
  std::array<char*, kCount> at;
  for (size_t k = 0; k < kCount; ++k) at[k] = cursors[k].at;
  for (;;) {
    visit(std::as_const(at));
    size_t dim = space.size();
    for (;;) {
      if (dim == 0) return;
      --dim;
      for (size_t k = 0; k < kCount; ++k) at[k] += cursors[k].step[dim];
      if (++index[dim] < space[dim]) break;
      for (size_t k = 0; k < kCount; ++k) at[k] -= space[dim] * cursors[k].step[dim];
      index[dim] = 0;
    }
  }
}

}  // namespace ascsim::cann
