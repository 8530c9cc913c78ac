// Products of matrices, summed in double and rounded once.
#include <algorithm>

#include "operators/executor.h"
#include "operators/walk.h"

using namespace ascsim::cann;

namespace {

// A matrix or a stack of them as doubles, rows one after the other.
std::vector<double> dense(const aclTensor& x) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(x.count()));
  const Codec& from = *codec_of(x.data_type);
  walk<1>(x.sizes, {cursor_over(x, x.sizes)},
          [&](const auto& at) { values.push_back(from.load_real(at[0])); });
  return values;
}

// The same tensor with the sizes of `lead` before the last two dimensions.
aclTensor stacked(const aclTensor& x, const Sizes& lead) {
  aclTensor wide = x;
  const size_t own = x.sizes.size() - 2;
  wide.sizes.assign(lead.begin(), lead.end());
  wide.strides.assign(lead.size(), 0);
  for (size_t i = 0; i < own; ++i) {
    const size_t at = lead.size() - own + i;
    if (x.sizes[i] != 1) wide.strides[at] = x.strides[i];
  }
  wide.sizes.insert(wide.sizes.end(), x.sizes.end() - 2, x.sizes.end());
  wide.strides.insert(wide.strides.end(), x.strides.end() - 2, x.strides.end());
  return wide;
}

// What is added to a product: scale * addend, with the addend broadcast. No data: nothing.
struct Addend {
  aclTensor tensor;
  double beta = 0;
  double alpha = 1;  // factor of the product
};

std::vector<double> scaled(const Addend& addend, const Sizes& sizes) {
  std::vector<double> values;
  const Codec& from = *codec_of(addend.tensor.data_type);
  walk<1>(sizes, {cursor_over(addend.tensor, sizes)},
          [&](const auto& at) { values.push_back(addend.beta * from.load_real(at[0])); });
  return values;
}

void multiply(const aclTensor& x, const aclTensor& y, const aclTensor& out,
              const Addend& addend = {}) {
  const Sizes lead(out.sizes.begin(), out.sizes.end() - 2);
  const auto rows = static_cast<size_t>(x.sizes[x.sizes.size() - 2]);
  const auto inner = static_cast<size_t>(x.sizes.back());
  const auto columns = static_cast<size_t>(y.sizes.back());
  const std::vector<double> left = dense(stacked(x, lead)), right = dense(stacked(y, lead));
  const bool adds = addend.tensor.data != nullptr && addend.beta != 0;
  const std::vector<double> more = adds ? scaled(addend, out.sizes) : std::vector<double>();
  const Codec& to = *codec_of(out.data_type);
  std::vector<double> sums(columns);
  size_t row = 0;  // of all matrices of the stack
  Sizes lines = out.sizes;
  lines.back() = 1;
  const Cursor target = cursor_over(out, out.sizes);
  walk<1>(lines, {target}, [&](const auto& at) {
    const size_t matrix = row / rows;
    std::fill(sums.begin(), sums.end(), 0.0);
    if (adds) std::copy_n(&more[row * columns], columns, sums.begin());
    for (size_t k = 0; k < inner; ++k) {
      const double factor = addend.alpha * left[row * inner + k];
      const double* line = &right[(matrix * inner + k) * columns];
      for (size_t j = 0; j < columns; ++j) sums[j] += factor * line[j];
    }
    for (size_t j = 0; j < columns; ++j) {
      store(to, at[0] + static_cast<int64_t>(j) * target.step.back(), sums[j]);
    }
    ++row;
  });
}

bool fits(const aclTensor& x, const aclTensor& y, const aclTensor& out) {
  if (x.dims() < 2 || y.dims() < 2 || out.dims() < 2) return false;
  const auto last = [](const aclTensor& t, size_t from_end) {
    return t.sizes[t.sizes.size() - from_end];
  };
  if (last(x, 1) != last(y, 2) || last(out, 2) != last(x, 2) || last(out, 1) != last(y, 1)) {
    return false;
  }
  const auto lead_fits = [&](aclTensor t) {
    t.sizes[t.sizes.size() - 2] = t.sizes.back() = 1;
    return broadcastable(t, out.sizes);
  };
  return lead_fits(x) && lead_fits(y);
}

AclError check_product(const Request& request, const aclTensor* x, const aclTensor* y,
                       const aclTensor* out) {
  if (x == nullptr || y == nullptr || out == nullptr) return refuse(request, "null pointers");
  if (fits(*x, *y, *out)) return kSuccess;
  return refuse(request, "shapes " + text_of(x->sizes) + " and " + text_of(y->sizes) + " for " +
                             text_of(out->sizes));
}

AclError product(const Request& request, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  if (const AclError error = check_product(request, x, y, out)) return error;
  return plan(request, {{x, y}, {out}}, [x = *x, y = *y, out = *out] {
    if (out.count() != 0) multiply(x, y, out);
  });
}

}  // namespace

ACLNN(Matmul, const aclTensor* x, const aclTensor* y, aclTensor* out, int8_t /*cube_math*/) {
  return product(ACLNN_REQUEST, x, y, out);
}
ACLNN(Mm, const aclTensor* x, const aclTensor* y, aclTensor* out, int8_t /*cube_math*/) {
  return product(ACLNN_REQUEST, x, y, out);
}
ACLNN(BatchMatMul, const aclTensor* x, const aclTensor* y, aclTensor* out, int8_t /*cube_math*/) {
  return product(ACLNN_REQUEST, x, y, out);
}
// beta * added + alpha * x y
ACLNN(Addmm, const aclTensor* added, const aclTensor* x, const aclTensor* y, const aclScalar* beta,
      const aclScalar* alpha, aclTensor* out, int8_t /*cube_math*/) {
  const Request request = ACLNN_REQUEST;
  if (const AclError error = check_product(request, x, y, out)) return error;
  if (added == nullptr || !broadcastable(*added, out->sizes)) {
    return refuse(request, "an addend that does not fit " + text_of(out->sizes));
  }
  const Addend addend{*added, real_value(beta), real_value(alpha)};
  return plan(request, {{added, x, y}, {out}}, [x = *x, y = *y, out = *out, addend] {
    if (out.count() != 0) multiply(x, y, out, addend);
  });
}
