// Comparisons and logic.
#include <cmath>

#include "operators/elementwise.h"

using namespace ascsim::cann;

#define ASCSIM_COMPARISON(name, expression)                                                  \
  ACLNN(name##Tensor, const aclTensor* x, const aclTensor* y, aclTensor* out) {              \
    return binary(ACLNN_REQUEST, x, y, out, [](auto a, auto b) { return expression; });      \
  }                                                                                          \
  ACLNN(name##Scalar, const aclTensor* x, const aclScalar* y, aclTensor* out) {              \
    return with_scalar(ACLNN_REQUEST, x, y, out, [](auto a, auto b) { return expression; }); \
  }

ASCSIM_COMPARISON(Eq, a == b)
ASCSIM_COMPARISON(Ne, a != b)
ASCSIM_COMPARISON(Gt, a > b)
ASCSIM_COMPARISON(Ge, a >= b)
ASCSIM_COMPARISON(Lt, a < b)
ASCSIM_COMPARISON(Le, a <= b)

ACLNN(LogicalAnd, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, [](auto a, auto b) { return a != 0 && b != 0; });
}
ACLNN(LogicalOr, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, [](auto a, auto b) { return a != 0 || b != 0; });
}
ACLNN(LogicalNot, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return a == 0; });
}

namespace {

// Bits of integers; of bool, logic. Other types are refused.
template <typename Function>
AclError bitwise(const Request& request, const aclTensor* x, const aclTensor* y, aclTensor* out,
                 Function function) {
  if (x != nullptr && y != nullptr && !(is_integral(x->data_type) && is_integral(y->data_type))) {
    return refuse(request, "types that are not integral");
  }
  return binary(request, x, y, out, [function](auto a, auto b) {
    return function(static_cast<int64_t>(a), static_cast<int64_t>(b));
  });
}

// The same with a number.
template <typename Function>
AclError bitwise(const Request& request, const aclTensor* x, const aclScalar* y, aclTensor* out,
                 Function function) {
  if (y == nullptr) return refuse(request, "a scalar that is a null pointer");
  if (x != nullptr && !(is_integral(x->data_type) && is_integral(y->data_type))) {
    return refuse(request, "types that are not integral");
  }
  return unary(request, x, out, [function, b = int_value(y)](auto a) {
    return function(static_cast<int64_t>(a), b);
  });
}

constexpr auto kAnd = [](int64_t a, int64_t b) { return a & b; };
constexpr auto kOr = [](int64_t a, int64_t b) { return a | b; };

}  // namespace

ACLNN(BitwiseAndScalar, const aclTensor* x, const aclScalar* y, aclTensor* out) {
  return bitwise(ACLNN_REQUEST, x, y, out, kAnd);
}
ACLNN(BitwiseOrScalar, const aclTensor* x, const aclScalar* y, aclTensor* out) {
  return bitwise(ACLNN_REQUEST, x, y, out, kOr);
}
ACLNN(BitwiseAndTensor, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return bitwise(ACLNN_REQUEST, x, y, out, kAnd);
}
ACLNN(BitwiseOrTensor, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  return bitwise(ACLNN_REQUEST, x, y, out, kOr);
}
ACLNN(BitwiseNot, const aclTensor* x, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (x != nullptr && !is_integral(x->data_type)) {
    return refuse(request, "types that are not integral");
  }
  const bool truth = x != nullptr && x->data_type == kBool;
  return unary(request, x, out, [truth](auto a) {
    const auto bits = static_cast<int64_t>(a);
    return truth ? int64_t{bits == 0} : ~bits;
  });
}

ACLNN(IsFinite, const aclTensor* x, aclTensor* out) {
  return unary(ACLNN_REQUEST, x, out, [](auto a) { return std::isfinite(static_cast<double>(a)); });
}

ACLNN(IsClose, const aclTensor* x, const aclTensor* y, double relative, double absolute,
      bool equal_nan, aclTensor* out) {
  return binary(ACLNN_REQUEST, x, y, out, [=](auto a, auto b) {
    const auto p = static_cast<double>(a), q = static_cast<double>(b);
    if (std::isnan(p) && std::isnan(q)) return equal_nan;
    // Infinities are close to themselves only.
    return p == q || (std::isfinite(q) && std::fabs(p - q) <= absolute + relative * std::fabs(q));
  });
}

// One truth: whether shapes and all elements agree.
ACLNN(Equal, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  const auto work = [x = copy_of(x), y = copy_of(y), out = copy_of(out)] {
    bool same = x.sizes == y.sizes;
    if (same) {
      const Codec& first = *codec_of(x.data_type);
      const Codec& second = *codec_of(y.data_type);
      walk<2>(x.sizes, {cursor_over(x, x.sizes), cursor_over(y, x.sizes)}, [&](const auto& at) {
        same = same && (first.integral && second.integral
                            ? first.load_int(at[0]) == second.load_int(at[1])
                            : first.load_real(at[0]) == second.load_real(at[1]));
      });
    }
    store(*codec_of(out.data_type), out.first(), same);
  };
  return plan(ACLNN_REQUEST, {{x, y}, {out}}, work);
}

// Where the condition is true x, else y.
ACLNN(SWhere, const aclTensor* condition, const aclTensor* x, const aclTensor* y, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  for (const aclTensor* t : {condition, x, y}) {
    if (const AclError error = check_broadcast(request, t, out)) return error;
  }
  const auto work = [c = copy_of(condition), x = copy_of(x), y = copy_of(y), out = copy_of(out)] {
    const Codec& truth = *codec_of(c.data_type);
    const Codec &first = *codec_of(x.data_type), &second = *codec_of(y.data_type);
    const Codec& to = *codec_of(out.data_type);
    walk<4>(out.sizes,
            {cursor_over(c, out.sizes), cursor_over(x, out.sizes), cursor_over(y, out.sizes),
             cursor_over(out, out.sizes)},
            [&](const auto& at) {
              const bool left = truth.load_int(at[0]) != 0;
              const Codec& from = left ? first : second;
              const char* value = left ? at[1] : at[2];
              from.integral ? store(to, at[3], from.load_int(value))
                            : store(to, at[3], from.load_real(value));
            });
  };
  return plan(request, {{condition, x, y}, {out}}, work);
}
