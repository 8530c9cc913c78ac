// Reductions over dimensions, running sums, softmax.
#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/executor.h"
#include "operators/walk.h"

using namespace ascsim::cann;

namespace {

// What is reduced over, and what the remaining index space is (reduced dimensions have size 1).
struct Split {
  Sizes kept;
  Sizes reduced;
  std::vector<bool> gone;  // by dimension, whether it is reduced over
};

Split split(const aclTensor& x, const aclIntArray* dims) {
  Split s{x.sizes, Sizes(x.sizes.size(), 1), std::vector<bool>(x.sizes.size(), false)};
  const auto reduce = [&](size_t axis) {
    s.gone[axis] = true;
    s.reduced[axis] = x.sizes[axis];
    s.kept[axis] = 1;
  };
  if (dims == nullptr || dims->values.empty()) {
    for (size_t axis = 0; axis < x.sizes.size(); ++axis) reduce(axis);
  } else {
    for (const int64_t dim : dims->values) reduce(x.axis(dim));
  }
  return s;
}

// The output in the kept index space: with or without its dimensions of size 1.
Cursor output_cursor(const aclTensor& out, const Split& s) {
  Cursor c{out.first(), Sizes(s.kept.size(), 0)};
  const auto bytes = static_cast<int64_t>(bytes_of(out.data_type));
  size_t from = out.sizes.size();
  for (size_t axis = s.kept.size(); axis-- > 0;) {
    if (out.sizes.size() != s.kept.size() && s.gone[axis]) continue;
    if (from == 0) break;
    --from;
    c.step[axis] = out.strides[from] * bytes;
  }
  return c;
}

template <typename Number>
struct Folding {
  Number start;
  Number (*fold)(Number, Number);
};

template <typename Number>
void reduce(const aclTensor& x, const aclTensor& out, const Split& s, Folding<Number> folding) {
  const Codec& from = *codec_of(x.data_type);
  const Codec& to = *codec_of(out.data_type);
  Cursor input = cursor_over(x, x.sizes);
  walk<2>(s.kept, {Cursor{input.at, input.step}, output_cursor(out, s)}, [&](const auto& at) {
    Number value = folding.start;
    walk<1>(s.reduced, {Cursor{at[0], input.step}}, [&](const auto& element) {
      value = folding.fold(value, load<Number>(from, element[0]));
    });
    store(to, at[1], value);
  });
}

// In double, rounded once; of nothing it is NaN.
void mean(const aclTensor& x, const aclTensor& out, const Split& s) {
  const Codec &from = *codec_of(x.data_type), &to = *codec_of(out.data_type);
  const Cursor input = cursor_over(x, x.sizes);
  walk<2>(s.kept, {input, output_cursor(out, s)}, [&](const auto& at) {
    double total = 0, count = 0;
    walk<1>(s.reduced, {Cursor{at[0], input.step}}, [&](const auto& element) {
      total += from.load_real(element[0]);
      ++count;
    });
    store(to, at[1], total / count);
  });
}

// The first of the largest; NaN is larger than any number.
template <typename Number>
void index_of_largest(const aclTensor& x, const aclTensor& out, const Split& s) {
  const Codec &from = *codec_of(x.data_type), &to = *codec_of(out.data_type);
  const Cursor input = cursor_over(x, x.sizes);
  walk<2>(s.kept, {input, output_cursor(out, s)}, [&](const auto& at) {
    int64_t index = 0, largest = 0;
    Number best{};
    walk<1>(s.reduced, {Cursor{at[0], input.step}}, [&](const auto& element) {
      const auto value = load<Number>(from, element[0]);
      if (index == 0 || value > best || (value != value && best == best)) {
        best = value;
        largest = index;
      }
      ++index;
    });
    store(to, at[1], largest);
  });
}

struct Reduction {
  Folding<double> real;
  Folding<int64_t> whole;
};

AclError plan_reduction(const Request& request, const aclTensor* x, const aclIntArray* dims,
                        aclTensor* out, Reduction how) {
  if (x == nullptr || out == nullptr) return refuse(request, "null pointers");
  const auto work = [x = *x, out = *out, s = split(*x, dims), how] {
    is_integral(x.data_type) ? reduce(x, out, s, how.whole) : reduce(x, out, s, how.real);
  };
  return plan(request, {{x}, {out}}, work);
}

template <typename Number>
Number larger(Number a, Number b) {
  return b != b || b > a ? b : a;
}
template <typename Number>
Number smaller(Number a, Number b) {
  return b != b || b < a ? b : a;
}
template <typename Number>
Number sum(Number a, Number b) {
  return a + b;
}
template <typename Number>
Number both(Number a, Number b) {
  return a != 0 && b != 0 ? Number{1} : Number{0};
}
template <typename Number>
Number either(Number a, Number b) {
  return a != 0 || b != 0 ? Number{1} : Number{0};
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

// A line of `x` in dimension `axis`: all other dimensions are walked over.
template <typename Line>
void for_lines(const aclTensor& x, const aclTensor& out, size_t axis, Line line) {
  Sizes others = x.sizes;
  others[axis] = 1;
  const Cursor from = cursor_over(x, x.sizes), to = cursor_over(out, out.sizes);
  walk<2>(others, {from, to}, [&](const auto& at) {
    line(at[0], from.step[axis], at[1], to.step[axis], x.sizes[axis]);
  });
}

AclError plan_lines(const Request& request, const aclTensor* x, int64_t dim, aclTensor* out,
                    void (*compute)(const aclTensor&, const aclTensor&, size_t)) {
  if (x == nullptr || out == nullptr) return refuse(request, "null pointers");
  if (x->sizes != out->sizes || x->sizes.empty() || x->axis(dim) >= x->sizes.size()) {
    return refuse(request, "dimension " + std::to_string(dim) + " of " + text_of(x->sizes) +
                               " with an output of " + text_of(out->sizes));
  }
  return plan(request, {{x}, {out}}, [x = *x, out = *out, axis = x->axis(dim), compute] {
    if (x.count() != 0) compute(x, out, axis);
  });
}

void running_sum(const aclTensor& x, const aclTensor& out, size_t axis) {
  const Codec& from = *codec_of(x.data_type);
  const Codec& to = *codec_of(out.data_type);
  const auto with = [&](auto zero) {
    for_lines(x, out, axis,
              [&](const char* source, int64_t step, char* target, int64_t stride, int64_t count) {
                auto total = zero;
                for (int64_t i = 0; i < count; ++i) {
                  total += load<decltype(zero)>(from, source + i * step);
                  store(to, target + i * stride, total);
                }
              });
  };
  from.integral ? with(int64_t{}) : with(double{});
}

void softmax(const aclTensor& x, const aclTensor& out, size_t axis) {
  const Codec& from = *codec_of(x.data_type);
  const Codec& to = *codec_of(out.data_type);
  for_lines(x, out, axis,
            [&](const char* source, int64_t step, char* target, int64_t stride, int64_t count) {
              std::vector<double> values(static_cast<size_t>(count));
              double peak = -kInfinity, total = 0;
              for (int64_t i = 0; i < count; ++i) {
                values[static_cast<size_t>(i)] = from.load_real(source + i * step);
                peak = std::max(peak, values[static_cast<size_t>(i)]);
              }
              for (double& v : values) total += v = std::exp(v - peak);
              for (int64_t i = 0; i < count; ++i) {
                store(to, target + i * stride, values[static_cast<size_t>(i)] / total);
              }
            });
}

}  // namespace

ACLNN(ReduceSum, const aclTensor* x, const aclIntArray* dims, bool /*keep*/, int /*data_type*/,
      aclTensor* out) {
  return plan_reduction(ACLNN_REQUEST, x, dims, out, {{0, sum<double>}, {0, sum<int64_t>}});
}
ACLNN(Mean, const aclTensor* x, const aclIntArray* dims, bool /*keep*/, int /*data_type*/,
      aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (x == nullptr || out == nullptr) return refuse(request, "null pointers");
  if (is_integral(x->data_type)) return refuse(request, "integral types");
  return plan(request, {{x}, {out}},
              [x = *x, out = *out, s = split(*x, dims)] { mean(x, out, s); });
}
ACLNN(ArgMax, const aclTensor* x, int64_t dim, bool /*keep*/, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (x == nullptr || out == nullptr) return refuse(request, "null pointers");
  if (x->axis(dim) >= x->sizes.size()) {
    return refuse(request, "dimension " + std::to_string(dim) + " of " + text_of(x->sizes));
  }
  const aclIntArray dims{{dim}};
  return plan(request, {{x}, {out}}, [x = *x, out = *out, s = split(*x, &dims)] {
    is_integral(x.data_type) ? index_of_largest<int64_t>(x, out, s)
                             : index_of_largest<double>(x, out, s);
  });
}
ACLNN(Max, const aclTensor* x, aclTensor* out) {
  return plan_reduction(ACLNN_REQUEST, x, nullptr, out,
                        {{-kInfinity, larger<double>}, {kLowest, larger<int64_t>}});
}
ACLNN(Min, const aclTensor* x, aclTensor* out) {
  return plan_reduction(ACLNN_REQUEST, x, nullptr, out,
                        {{kInfinity, smaller<double>}, {kHighest, smaller<int64_t>}});
}
ACLNN(Amax, const aclTensor* x, const aclIntArray* dims, bool /*keep*/, aclTensor* out) {
  return plan_reduction(ACLNN_REQUEST, x, dims, out,
                        {{-kInfinity, larger<double>}, {kLowest, larger<int64_t>}});
}
ACLNN(All, const aclTensor* x, const aclIntArray* dims, bool /*keep*/, aclTensor* out) {
  return plan_reduction(ACLNN_REQUEST, x, dims, out, {{1, both<double>}, {1, both<int64_t>}});
}
ACLNN(Any, const aclTensor* x, const aclIntArray* dims, bool /*keep*/, aclTensor* out) {
  return plan_reduction(ACLNN_REQUEST, x, dims, out, {{0, either<double>}, {0, either<int64_t>}});
}

ACLNN(Cumsum, const aclTensor* x, int64_t dim, int /*data_type*/, aclTensor* out) {
  return plan_lines(ACLNN_REQUEST, x, dim, out, running_sum);
}
ACLNN(Softmax, const aclTensor* x, int64_t dim, aclTensor* out) {
  return plan_lines(ACLNN_REQUEST, x, dim, out, softmax);
}
