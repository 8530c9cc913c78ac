// Operators that compute each element of the output from one element of each input.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "operators/executor.h"
#include "operators/walk.h"

namespace ascsim::cann {

inline AclError check_broadcast(const Request& request, const aclTensor* x, const aclTensor* out) {
  if (x == nullptr || out == nullptr || broadcastable(*x, out->sizes)) return kSuccess;
  return refuse(request, "shape " + text_of(x->sizes) + " for an output of " + text_of(out->sizes));
}

// out = function(x): with int64_t if x is integral (and not `as_real`), else with double.
template <typename Function>
AclError unary(const Request& request, const aclTensor* x, aclTensor* out, Function function,
               bool as_real = false) {
  if (const AclError error = check_broadcast(request, x, out)) return error;
  return plan(request, {{x}, {out}}, [x = copy_of(x), out = copy_of(out), function, as_real] {
    const Codec& from = *codec_of(x.data_type);
    const Codec& to = *codec_of(out.data_type);
    const std::array<Cursor, 2> cursors{cursor_over(x, out.sizes), cursor_over(out, out.sizes)};
    const auto with = [&](auto zero) {
      using Number = decltype(zero);
      walk<2>(out.sizes, cursors,
              [&](const auto& at) { store(to, at[1], function(load<Number>(from, at[0]))); });
    };
    from.integral && !as_real ? with(int64_t{}) : with(double{});
  });
}

// out = function(x, y): with int64_t if both are integral, else with double.
template <typename Function>
AclError binary(const Request& request, const aclTensor* x, const aclTensor* y, aclTensor* out,
                Function function) {
  if (const AclError error = check_broadcast(request, x, out)) return error;
  if (const AclError error = check_broadcast(request, y, out)) return error;
  return plan(
      request, {{x, y}, {out}}, [x = copy_of(x), y = copy_of(y), out = copy_of(out), function] {
        const Codec& first = *codec_of(x.data_type);
        const Codec& second = *codec_of(y.data_type);
        const Codec& to = *codec_of(out.data_type);
        const std::array<Cursor, 3> cursors{cursor_over(x, out.sizes), cursor_over(y, out.sizes),
                                            cursor_over(out, out.sizes)};
        const auto with = [&](auto zero) {
          using Number = decltype(zero);
          walk<3>(out.sizes, cursors, [&](const auto& at) {
            store(to, at[2], function(load<Number>(first, at[0]), load<Number>(second, at[1])));
          });
        };
        first.integral&& second.integral ? with(int64_t{}) : with(double{});
      });
}

// out = function(x, scalar); a real scalar makes the computation real.
template <typename Function>
AclError with_scalar(const Request& request, const aclTensor* x, const aclScalar* y, aclTensor* out,
                     Function function) {
  if (y == nullptr) return refuse(request, "a scalar that is a null pointer");
  const auto applied = [function, real = real_value(y), whole = int_value(y)](auto a) {
    if constexpr (std::is_same_v<decltype(a), int64_t>) {
      return function(a, whole);
    } else {
      return function(a, real);
    }
  };
  return unary(request, x, out, applied, !is_integral(y->data_type));
}

}  // namespace ascsim::cann
