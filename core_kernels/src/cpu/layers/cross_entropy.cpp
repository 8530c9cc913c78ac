// Cross entropy: a row of logits is read in chunks that fit the first cache, once forward and once
// backward, so nothing of the size of the logits is allocated.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/layers/rows.h"
#include "cpu/scratch.h"
#include "fa/layers.h"
#include "problem/layers.h"

namespace fa {
namespace cpu {
namespace {

constexpr int64_t kChunk = 2048;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Log of the sum of exponentials, and the plain sum, chunk by chunk.
struct RowSums {
  double lse = 0;
  double logits = 0;
};

float* chunk_buffer(int count) {
  Scratch& scratch = local_scratch();
  scratch.reset(count * Scratch::bytes<float>(kChunk));
  return scratch.take<float>(count * kChunk);
}

RowSums sum_row(const TensorView& logits, int64_t row, const LossOptions& options, float* x) {
  const Microkernels& isa = microkernels();
  const RowKernels& rows = row_kernels();
  const float scale = static_cast<float>(options.logit_scale);
  const int64_t classes = logits.size[1];
  float top = -kInfinity;
  double exponentials = 0, plain = 0;
  for (int64_t begin = 0; begin < classes; begin += kChunk) {
    const int n = static_cast<int>(std::min(kChunk, classes - begin));
    isa.load_row(row_of(logits, row) + begin * dtype_size(logits.dtype), logits.dtype, n, x);
    const float highest = std::max(top, scale * rows.max(x, n));
    if (highest > top) {
      exponentials *= std::exp(static_cast<double>(top) - highest);
      top = highest;
    }
    exponentials += rows.sum_exp(x, scale, top == -kInfinity ? 0.0f : top, n);
    if (options.smoothing > 0) plain += rows.sum(x, n);
  }
  return {top + std::log(exponentials), plain * options.logit_scale};
}

float logit_at(const TensorView& logits, int64_t row, int64_t column) {
  float value;
  microkernels().load_row(row_of(logits, row) + column * dtype_size(logits.dtype), logits.dtype, 1,
                          &value);
  return value;
}

void loss_of_row(const CrossEntropyCall& call, int64_t row, float* buffer) {
  const LossOptions& o = call.options;
  RowSums sums;
  if (call.given_lse.defined) {
    sums.lse = float_at(call.given_lse, row);
  } else {
    sums = sum_row(call.logits, row, o, buffer);
  }
  float_at(call.lse, row) = static_cast<float>(sums.lse);
  const int64_t label = index_at(call.labels, row);
  if (label == o.ignore_index) {
    float_at(call.losses, row) = float_at(call.z_losses, row) = 0;
    return;
  }
  const int64_t column = label - o.class_start;
  const bool owned = column >= 0 && column < call.logits.size[1];
  const double whole = call.split ? 0 : sums.lse;
  const double mean = sums.logits / static_cast<double>(o.total_classes);
  double loss = 0;
  if (owned) {
    loss = whole - (1 - o.smoothing) * o.logit_scale * logit_at(call.logits, row, column);
    if (o.smoothing > 0) loss -= o.smoothing * mean;
  } else if (o.smoothing > 0) {
    loss = o.smoothing * (whole - mean);
  }
  const double z = call.split ? 0 : o.lse_square_scale * sums.lse * sums.lse;
  float_at(call.z_losses, row) = static_cast<float>(z);
  float_at(call.losses, row) = static_cast<float>(loss + z);
}

void gradient_of_row(const CrossEntropyBackwardCall& call, int64_t row, float* buffer) {
  const Microkernels& isa = microkernels();
  const RowKernels& rows = row_kernels();
  const LossOptions& o = call.options;
  const int64_t classes = call.logits.size[1];
  char* target = row_of(call.dlogits, row);
  const int64_t label = index_at(call.labels, row);
  if (label == o.ignore_index) {
    std::memset(target, 0, static_cast<size_t>(classes * dtype_size(call.dlogits.dtype)));
    return;
  }
  const float lse = float_at(call.lse, row);
  const double factor = float_at(call.dloss, row) * o.logit_scale;
  const float weight = static_cast<float>(factor * (1 + 2 * o.lse_square_scale * lse));
  const float smooth =
      static_cast<float>(factor * o.smoothing / static_cast<double>(o.total_classes));
  const float scale = static_cast<float>(o.logit_scale);
  const int64_t column = label - o.class_start;
  float *x = buffer, *gradient = buffer + kChunk;
  for (int64_t begin = 0; begin < classes; begin += kChunk) {
    const int n = static_cast<int>(std::min(kChunk, classes - begin));
    isa.load_row(row_of(call.logits, row) + begin * dtype_size(call.logits.dtype),
                 call.logits.dtype, n, x);
    rows.exp_row(x, scale, lse, weight, smooth, n, gradient);
    if (column >= begin && column < begin + n) {
      gradient[column - begin] -= static_cast<float>(factor * (1 - o.smoothing));
    }
    isa.store_row(gradient, call.dlogits.dtype, n, target + begin * dtype_size(call.dlogits.dtype));
  }
}

}  // namespace
}  // namespace cpu

Status cross_entropy(const CrossEntropyCall& call) {
  FA_RETURN_IF_ERROR(check_cross_entropy(call));
  cpu::for_row_ranges(call.threads, call.logits.size[0], cpu::rows_per_task(call.logits.size[1]),
                      [&](int64_t begin, int64_t end) {
                        float* buffer = cpu::chunk_buffer(1);
                        for (int64_t i = begin; i < end; ++i) cpu::loss_of_row(call, i, buffer);
                      });
  return {};
}

Status cross_entropy_backward(const CrossEntropyBackwardCall& call) {
  FA_RETURN_IF_ERROR(check_cross_entropy_backward(call));
  cpu::for_row_ranges(call.threads, call.logits.size[0], cpu::rows_per_task(call.logits.size[1]),
                      [&](int64_t begin, int64_t end) {
                        float* buffer = cpu::chunk_buffer(2);
                        for (int64_t i = begin; i < end; ++i) cpu::gradient_of_row(call, i, buffer);
                      });
  return {};
}

}  // namespace fa
