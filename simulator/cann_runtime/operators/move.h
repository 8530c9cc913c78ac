// Moves elements of one type as bytes.
#pragma once

#include <cstring>

#include "operators/walk.h"

namespace ascsim::cann {

inline bool contiguous(const aclTensor& t) {
  int64_t expected = 1;
  for (size_t i = t.sizes.size(); i-- > 0;) {
    if (t.sizes[i] != 1 && t.strides[i] != expected) return false;
    expected *= t.sizes[i];
  }
  return true;
}

// Bytes as they are; `to` may be a part of a larger tensor.
inline void move_elements(const aclTensor& from, const aclTensor& to) {
  const size_t bytes = bytes_of(to.data_type);
  if (from.sizes == to.sizes && contiguous(from) && contiguous(to)) {
    std::memmove(to.first(), from.first(), static_cast<size_t>(to.count()) * bytes);
    return;
  }
  walk<2>(to.sizes, {cursor_over(from, to.sizes), cursor_over(to, to.sizes)},
          [&](const auto& at) { std::memcpy(at[1], at[0], bytes); });
}

}  // namespace ascsim::cann
