// Layer norm and RMS norm of rows.

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/layers/rows.h"
#include "cpu/scratch.h"
#include "fa/layers.h"
#include "problem/layers.h"

namespace fa {
namespace cpu {
namespace {

// [N] as fp32, empty if not given.
std::vector<float> vector_of(const TensorView& view, float shift) {
  std::vector<float> values(view.defined ? static_cast<size_t>(view.size[0]) : 0);
  if (values.empty()) return values;
  microkernels().load_row(view.data, view.dtype, static_cast<int>(view.size[0]), values.data());
  for (float& value : values) value += shift;
  return values;
}

const float* data_or_null(const std::vector<float>& values) {
  return values.empty() ? nullptr : values.data();
}

struct Moments {
  float mean = 0;
  float rstd = 0;
};

Moments moments_of(const float* h, int n, const NormOptions& options) {
  const RowKernels& rows = row_kernels();
  Moments m;
  if (!options.rms) m.mean = rows.sum(h, n) / static_cast<float>(n);
  double variance = rows.sum_squares(h, m.mean, n) / static_cast<double>(n);
  m.rstd = static_cast<float>(1 / std::sqrt(variance + options.eps));
  return m;
}

struct Forward {
  explicit Forward(const NormCall& c)
      : call(c),
        n(static_cast<int>(c.x.size[1])),
        weight(vector_of(c.weight, c.options.zero_centered ? 1.0f : 0.0f)),
        bias(vector_of(c.bias, 0)),
        weight1(vector_of(c.weight1, c.options.zero_centered ? 1.0f : 0.0f)),
        bias1(vector_of(c.bias1, 0)) {}

  void run(int64_t begin, int64_t end) const {
    const Microkernels& isa = microkernels();
    const RowKernels& rows = row_kernels();
    Scratch& scratch = local_scratch();
    scratch.reset(2 * Scratch::bytes<float>(n));
    float *h = scratch.take<float>(n), *other = scratch.take<float>(n);
    for (int64_t i = begin; i < end; ++i) {
      isa.load_row(row_of(call.x, i), call.x.dtype, n, h);
      if (call.residual.defined) {
        isa.load_row(row_of(call.residual, i), call.residual.dtype, n, other);
        rows.add(h, other, n);
      }
      if (call.sum.defined) isa.store_row(h, call.sum.dtype, n, row_of(call.sum, i));
      const Moments m = moments_of(h, n, call.options);
      rows.normalize(h, m.mean, m.rstd, weight.data(), data_or_null(bias), n, other);
      isa.store_row(other, call.y.dtype, n, row_of(call.y, i));
      if (!call.weight1.defined) continue;
      rows.normalize(h, m.mean, m.rstd, weight1.data(), data_or_null(bias1), n, other);
      isa.store_row(other, call.y1.dtype, n, row_of(call.y1, i));
    }
  }

  const NormCall& call;
  int n;
  std::vector<float> weight, bias, weight1, bias1;
};

// Sums over rows are taken over fixed ranges of rows, then over the ranges.
constexpr int64_t kMaxRanges = 64;

struct Backward {
  explicit Backward(const NormBackwardCall& c)
      : call(c),
        n(static_cast<int>(c.dy.size[1])),
        second(c.weight1.defined),
        step(std::max((c.dy.size[0] + kMaxRanges - 1) / kMaxRanges, rows_per_task(n))),
        ranges((c.dy.size[0] + step - 1) / step),
        weight(vector_of(c.weight, c.options.zero_centered ? 1.0f : 0.0f)),
        weight1(vector_of(c.weight1, c.options.zero_centered ? 1.0f : 0.0f)),
        partial(static_cast<size_t>(ranges * sums_per_range() * n)) {}

  int64_t sums_per_range() const { return second ? 4 : 2; }

  // dweight, dbias, dweight1, dbias1 of a range of rows.
  float* sums_of(int64_t range, int which) {
    return partial.data() + (range * sums_per_range() + which) * n;
  }

  void run(int64_t begin, int64_t end) {
    const Microkernels& isa = microkernels();
    const RowKernels& rows = row_kernels();
    const int64_t range = begin / step;
    Scratch& scratch = local_scratch();
    scratch.reset(4 * Scratch::bytes<float>(n));
    float *h = scratch.take<float>(n), *dy = scratch.take<float>(n);
    float *dy1 = scratch.take<float>(n), *gradient = scratch.take<float>(n);
    NormSums sums = {sums_of(range, 0), sums_of(range, 1), nullptr, nullptr};
    if (second) {
      sums.dweight1 = sums_of(range, 2);
      sums.dbias1 = sums_of(range, 3);
    }
    for (int64_t i = begin; i < end; ++i) {
      isa.load_row(row_of(call.sum, i), call.sum.dtype, n, h);
      isa.load_row(row_of(call.dy, i), call.dy.dtype, n, dy);
      if (second) isa.load_row(row_of(call.dy1, i), call.dy1.dtype, n, dy1);
      const Moments m = moments_of(h, n, call.options);
      NormRow row = {h, m.mean, m.rstd, dy, weight.data(), second ? dy1 : nullptr, weight1.data(),
                     n};
      float sum_g, sum_g_normal;
      rows.norm_sums(row, sums, &sum_g, &sum_g_normal);
      const float mean_g = call.options.rms ? 0 : sum_g / static_cast<float>(n);
      rows.norm_gradient(row, mean_g, sum_g_normal / static_cast<float>(n), gradient);
      if (call.dsum.defined) {
        isa.load_row(row_of(call.dsum, i), call.dsum.dtype, n, h);
        rows.add(gradient, h, n);
      }
      isa.store_row(gradient, call.dx.dtype, n, row_of(call.dx, i));
      if (call.dresidual.defined) {
        isa.store_row(gradient, call.dresidual.dtype, n, row_of(call.dresidual, i));
      }
    }
  }

  void finish() {
    const TensorView* targets[4] = {&call.dweight, &call.dbias, &call.dweight1, &call.dbias1};
    for (int which = 0; which < sums_per_range(); ++which) {
      float* target = static_cast<float*>(targets[which]->data);
      std::fill(target, target + n, 0.0f);
      for (int64_t range = 0; range < ranges; ++range) {
        row_kernels().add(target, sums_of(range, which), n);
      }
    }
  }

  const NormBackwardCall& call;
  int n;
  bool second;
  int64_t step, ranges;
  std::vector<float> weight, weight1, partial;
};

}  // namespace
}  // namespace cpu

Status norm(const NormCall& call) {
  FA_RETURN_IF_ERROR(check_norm(call));
  const cpu::Forward forward(call);
  cpu::for_row_ranges(call.threads, call.x.size[0], cpu::rows_per_task(call.x.size[1]),
                      [&](int64_t begin, int64_t end) { forward.run(begin, end); });
  return {};
}

Status norm_backward(const NormBackwardCall& call) {
  FA_RETURN_IF_ERROR(check_norm_backward(call));
  cpu::Backward backward(call);
  cpu::for_row_ranges(call.threads, call.dy.size[0], backward.step,
                      [&](int64_t begin, int64_t end) { backward.run(begin, end); });
  backward.finish();
  return {};
}

}  // namespace fa
