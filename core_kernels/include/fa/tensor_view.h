#pragma once

#include <cstdint>
#include <string>

#include "fa/dtype.h"

namespace fa {

enum class Device : uint8_t { kCpu, kNpu, kOther };

inline constexpr int kMaxRank = 5;

// A tensor that somebody else owns. Sizes and strides count elements.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kOther;
  std::string other_dtype;  // name of a dtype that the core does not know
  Device device = Device::kCpu;
  bool defined = false;
  int rank = 0;
  int64_t size[kMaxRank] = {};
  int64_t stride[kMaxRank] = {};

  std::string dtype_text() const {
    return dtype == DType::kOther && !other_dtype.empty() ? other_dtype : dtype_name(dtype);
  }

  // Shape as "[2, 16, 4, 64]", for messages.
  std::string shape() const {
    std::string text = "[";
    for (int i = 0; i < rank; ++i) {
      if (i > 0) text += ", ";
      text += std::to_string(size[i]);
    }
    return text + "]";
  }
};

}  // namespace fa
