// Tensors of one value, and sequences.
#include "operators/elementwise.h"

using namespace ascsim::cann;

namespace {

struct Value {
  double real;
  int64_t whole;
  bool integral;
};

Value value_of(const aclScalar* scalar) {
  return {real_value(scalar), int_value(scalar), is_integral(scalar->data_type)};
}

AclError fill(const Request& request, aclTensor* out, Value value) {
  return plan(request, {{}, {out}}, [out = copy_of(out), value] {
    const Codec& to = *codec_of(out.data_type);
    walk<1>(out.sizes, {cursor_over(out, out.sizes)}, [&](const auto& at) {
      value.integral ? store(to, at[0], value.whole) : store(to, at[0], value.real);
    });
  });
}

}  // namespace

ACLNN(InplaceZero, aclTensor* out) { return fill(ACLNN_REQUEST, out, {0, 0, true}); }
ACLNN(InplaceOne, aclTensor* out) { return fill(ACLNN_REQUEST, out, {1, 1, true}); }

ACLNN(InplaceFillScalar, aclTensor* out, const aclScalar* value) {
  if (value == nullptr) return refuse(ACLNN_REQUEST, "a value that is a null pointer");
  return fill(ACLNN_REQUEST, out, value_of(value));
}

ACLNN(Arange, const aclScalar* start, const aclScalar* end, const aclScalar* step, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (start == nullptr || end == nullptr || step == nullptr) {
    return refuse(request, "bounds that are null pointers");
  }
  const auto work = [out = copy_of(out), from = value_of(start), by = value_of(step)] {
    const Codec& to = *codec_of(out.data_type);
    int64_t i = 0;
    walk<1>(out.sizes, {cursor_over(out, out.sizes)}, [&](const auto& at) {
      if (from.integral && by.integral) {
        store(to, at[0], from.whole + i * by.whole);
      } else {
        store(to, at[0], from.real + static_cast<double>(i) * by.real);
      }
      ++i;
    });
  };
  return plan(request, {{}, {out}, {start, end, step}}, work);
}
