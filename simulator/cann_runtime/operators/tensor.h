// Operands of aclnn operators: the objects behind ACL's opaque pointers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

using Sizes = std::vector<int64_t>;

struct aclTensor {
  Sizes sizes;
  Sizes strides;  // in elements
  int64_t offset = 0;
  int data_type = 0;
  char* data = nullptr;

  int64_t count() const;
  int dims() const { return static_cast<int>(sizes.size()); }
  char* first() const;
  // 0 and up to dims() - 1; also for counting from the end.
  size_t axis(int64_t dim) const;
};

struct aclScalar {
  int data_type = 0;
  std::array<char, 16> value{};
};

struct aclIntArray {
  std::vector<int64_t> values;
};
struct aclFloatArray {
  std::vector<float> values;
};
struct aclBoolArray {
  std::vector<char> values;
};
struct aclTensorList {
  std::vector<const aclTensor*> tensors;
};
struct aclScalarList {
  std::vector<const aclScalar*> scalars;
};

namespace ascsim::cann {

// Value of a scalar; null stands for 1 (the alpha of Add).
double real_value(const aclScalar* scalar);
int64_t int_value(const aclScalar* scalar);
bool is_integral(int data_type);

}  // namespace ascsim::cann
