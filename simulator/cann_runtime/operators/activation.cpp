// Activations and normalisation of floating-point tensors, computed in double and rounded once.
#include <algorithm>
#include <cmath>

#include "operators/elementwise.h"

using namespace ascsim::cann;

namespace {

AclError activation(const Request& request, const aclTensor* x, aclTensor* out,
                    double (*function)(double)) {
  if (x != nullptr && is_integral(x->data_type)) return refuse(request, "integral types");
  return unary(request, x, out, [function](auto a) { return function(static_cast<double>(a)); });
}

// The operands of a layer norm; weight and bias may be absent (no sizes, no data).
struct LayerNorm {
  aclTensor x, weight, bias, out, mean, rstd;
  double eps;
  size_t first_axis;  // of those that are normalised over
};

// Values of a small tensor as doubles, or `count` times `otherwise` if it is absent.
std::vector<double> values_or(const aclTensor& x, int64_t count, double otherwise) {
  if (x.data == nullptr) return std::vector<double>(static_cast<size_t>(count), otherwise);
  std::vector<double> values;
  const Codec& from = *codec_of(x.data_type);
  walk<1>(x.sizes, {cursor_over(x, x.sizes)},
          [&](const auto& at) { values.push_back(from.load_real(at[0])); });
  return values;
}

void normalise(const LayerNorm& n) {
  const Codec &from = *codec_of(n.x.data_type), &to = *codec_of(n.out.data_type);
  const Codec& statistic = *codec_of(n.mean.data_type);
  Sizes outer = n.x.sizes, inner(n.x.sizes.size(), 1);
  int64_t count = 1;
  for (size_t axis = n.first_axis; axis < outer.size(); ++axis) {
    inner[axis] = n.x.sizes[axis];
    outer[axis] = 1;
    count *= inner[axis];
  }
  const std::vector<double> weight = values_or(n.weight, count, 1),
                            bias = values_or(n.bias, count, 0);
  const Cursor input = cursor_over(n.x, n.x.sizes), output = cursor_over(n.out, n.x.sizes);
  const auto over_row = [&](char* x, char* out, auto visit) {
    size_t i = 0;
    walk<2>(inner, {Cursor{x, input.step}, Cursor{out, output.step}},
            [&](const auto& at) { visit(from.load_real(at[0]), at[1], i++); });
  };
  walk<4>(outer, {input, output, cursor_over(n.mean, outer), cursor_over(n.rstd, outer)},
          [&](const auto& at) {
            double sum = 0, squares = 0;
            over_row(at[0], at[1], [&](double x, char*, size_t) { sum += x; });
            const double mean = sum / static_cast<double>(count);
            over_row(at[0], at[1],
                     [&](double x, char*, size_t) { squares += (x - mean) * (x - mean); });
            const double rstd = 1 / std::sqrt(squares / static_cast<double>(count) + n.eps);
            over_row(at[0], at[1], [&](double x, char* out, size_t i) {
              store(to, out, (x - mean) * rstd * weight[i] + bias[i]);
            });
            store(statistic, at[2], mean);
            store(statistic, at[3], rstd);
          });
}

bool fits(const LayerNorm& n, const Sizes& shape) {
  const Sizes& sizes = n.x.sizes;
  if (shape.empty() || shape.size() > sizes.size() || n.out.sizes != sizes) return false;
  Sizes outer = sizes;
  std::fill(outer.begin() + static_cast<ptrdiff_t>(n.first_axis), outer.end(), 1);
  for (const aclTensor* affine : {&n.weight, &n.bias}) {
    if (affine->data != nullptr && affine->sizes != shape) return false;
  }
  return Sizes(sizes.begin() + static_cast<ptrdiff_t>(n.first_axis), sizes.end()) == shape &&
         n.mean.sizes == outer && n.rstd.sizes == outer;
}

}  // namespace

ACLNN(Silu, const aclTensor* x, aclTensor* out) {
  return activation(ACLNN_REQUEST, x, out, [](double a) { return a / (1 + std::exp(-a)); });
}

// The exact one, by the error function. torch_npu asks for it whatever `approximate` says.
ACLNN(Gelu, const aclTensor* x, aclTensor* out) {
  return activation(ACLNN_REQUEST, x, out,
                    [](double a) { return a / 2 * (1 + std::erf(a / std::sqrt(2.0))); });
}

ACLNN(LayerNorm, const aclTensor* x, const aclIntArray* shape, const aclTensor* weight,
      const aclTensor* bias, double eps, aclTensor* out, aclTensor* mean, aclTensor* rstd) {
  const Request request = ACLNN_REQUEST;
  if (shape == nullptr || x == nullptr) return refuse(request, "null pointers");
  const size_t last = shape->values.size();
  const LayerNorm n{*x,
                    copy_of(weight),
                    copy_of(bias),
                    copy_of(out),
                    copy_of(mean),
                    copy_of(rstd),
                    eps,
                    x->sizes.size() - std::min(last, x->sizes.size())};
  if (is_integral(x->data_type)) return refuse(request, "integral types");
  if (!fits(n, shape->values)) {
    return refuse(request, "shape " + text_of(x->sizes) + " normalised over " +
                               text_of(shape->values) + " with these operands");
  }
  Operands operands{{x}, {out, mean, rstd}};
  for (const aclTensor* affine : {weight, bias}) {
    if (affine != nullptr) operands.reads.push_back(affine);
  }
  return plan(request, operands, [n] { normalise(n); });
}
