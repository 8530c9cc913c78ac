// Sums, products, quotients, minima and maxima; functions of one operand.
#include <cmath>

#include "operators/elementwise.h"

using namespace ascsim::cann;

namespace {

// x + sign * alpha * y. An integral computation takes alpha as an integer, as torch requires.
auto scaled_sum(const aclScalar* alpha, int sign) {
  return [real = sign * real_value(alpha), whole = sign * int_value(alpha)](auto x, auto y) {
    if constexpr (std::is_same_v<decltype(x), int64_t>) {
      return x + whole * y;
    } else {
      return x + real * y;
    }
  };
}

constexpr auto kProduct = [](auto x, auto y) { return x * y; };
constexpr auto kQuotient = [](auto x, auto y) {
  return static_cast<double>(x) / static_cast<double>(y);
};
constexpr auto kLarger = [](auto x, auto y) { return x != x || x > y ? x : y; };  // NaN wins
constexpr auto kSmaller = [](auto x, auto y) { return x != x || x < y ? x : y; };

}  // namespace

ACLNN(Add, const aclTensor* x, const aclTensor* y, const aclScalar* alpha, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, scaled_sum(alpha, 1));
}
ACLNN(Sub, const aclTensor* x, const aclTensor* y, const aclScalar* alpha, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, scaled_sum(alpha, -1));
}
ACLNN(Adds, const aclTensor* x, const aclScalar* y, const aclScalar* alpha, aclTensor* out) {
  return with_scalar(ACLNN_REQUEST, x, y, out, scaled_sum(alpha, 1));
}
ACLNN(Subs, const aclTensor* x, const aclScalar* y, const aclScalar* alpha, aclTensor* out) {
  return with_scalar(ACLNN_REQUEST, x, y, out, scaled_sum(alpha, -1));
}
ACLNN(InplaceAdd, aclTensor* x, const aclTensor* y, const aclScalar* alpha) {
  return binary(ACLNN_REQUEST, x, y, x, scaled_sum(alpha, 1));
}
ACLNN(InplaceSub, aclTensor* x, const aclTensor* y, const aclScalar* alpha) {
  return binary(ACLNN_REQUEST, x, y, x, scaled_sum(alpha, -1));
}
ACLNN(InplaceAdds, aclTensor* x, const aclScalar* y, const aclScalar* alpha) {
  return with_scalar(ACLNN_REQUEST, x, y, x, scaled_sum(alpha, 1));
}
ACLNN(InplaceSubs, aclTensor* x, const aclScalar* y, const aclScalar* alpha) {
  return with_scalar(ACLNN_REQUEST, x, y, x, scaled_sum(alpha, -1));
}

ACLNN(Mul, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, kProduct);
}
ACLNN(Muls, const aclTensor* x, const aclScalar* y, aclTensor* out) {
  return with_scalar(ACLNN_REQUEST, x, y, out, kProduct);
}
ACLNN(InplaceMul, aclTensor* x, const aclTensor* y) {
  return binary(ACLNN_REQUEST, x, y, x, kProduct);
}
ACLNN(InplaceMuls, aclTensor* x, const aclScalar* y) {
  return with_scalar(ACLNN_REQUEST, x, y, x, kProduct);
}

ACLNN(Div, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, kQuotient);
}
ACLNN(Divs, const aclTensor* x, const aclScalar* y, aclTensor* out) {
  return with_scalar(ACLNN_REQUEST, x, y, out, kQuotient);
}
ACLNN(InplaceDiv, aclTensor* x, const aclTensor* y) {
  return binary(ACLNN_REQUEST, x, y, x, kQuotient);
}
ACLNN(InplaceDivs, aclTensor* x, const aclScalar* y) {
  return with_scalar(ACLNN_REQUEST, x, y, x, kQuotient);
}

ACLNN(Maximum, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, kLarger);
}
ACLNN(Minimum, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, kSmaller);
}

ACLNN(Neg, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return -a; });
}
ACLNN(Abs, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return a < 0 ? -a : a; });
}
ACLNN(Exp, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return std::exp(static_cast<double>(a)); });
}
ACLNN(Log, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return std::log(static_cast<double>(a)); });
}
ACLNN(Sqrt, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return std::sqrt(static_cast<double>(a)); });
}
ACLNN(Rsqrt, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return 1 / std::sqrt(static_cast<double>(a)); });
}
ACLNN(Cos, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return std::cos(static_cast<double>(a)); });
}
ACLNN(Sin, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return std::sin(static_cast<double>(a)); });
}

// Of floating-point numbers; an integral base is refused.
ACLNN(PowTensorScalar, const aclTensor* x, const aclScalar* exponent, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (exponent == nullptr) return refuse(request, "an exponent that is a null pointer");
  if (x != nullptr && is_integral(x->data_type)) return refuse(request, "integral types");
  return unary(request, x, out,
               [y = real_value(exponent)](auto a) { return std::pow(static_cast<double>(a), y); });
}
