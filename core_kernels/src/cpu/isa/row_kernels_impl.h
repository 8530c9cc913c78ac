// The row kernels of row_kernels.h, written once over GCC vector types. Each ISA unit includes this
// file inside its own namespace, after strip_kernels.h, whose vectors and exp2 it uses.
// No #pragma once: one inclusion per ISA unit is the point.

namespace {

inline float horizontal_sum(VecF v) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

// The sum of term(vector of x) over whole vectors in four chains, then of term(x) one by one.
template <typename VectorTerm, typename Term>
inline float reduce(const float* x, int n, const VectorTerm& vector_term, const Term& term) {
  VecF sums[4] = {};
  int i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) sums[k] += vector_term(load<VecF>(x + i + k * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) sums[0] += vector_term(load<VecF>(x + i));
  float total = horizontal_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) total += term(x[i]);
  return total;
}

float row_max(const float* x, int n) {
  VecF top = broadcast(-kInfinity);
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) top = max(load<VecF>(x + i), top);
  float result = -kInfinity;
  for (int k = 0; k < kLanes; ++k) result = top[k] > result ? top[k] : result;
  for (; i < n; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

float row_sum(const float* x, int n) {
  return reduce(x, n, [](VecF v) { return v; }, [](float v) { return v; });
}

float row_sum_squares(const float* x, float mean, int n) {
  return reduce(
      x, n, [mean](VecF v) { return (v - mean) * (v - mean); },
      [mean](float v) { return (v - mean) * (v - mean); });
}

// exp(scale * x - shift) of up to a vector of values, the rest 0.
inline VecF exp_tail(const float* x, float scale2, float shift2, int count) {
  float values[kLanes];
  for (int k = 0; k < kLanes; ++k) values[k] = k < count ? x[k] : -kInfinity;
  return exp2(load<VecF>(values) * scale2 - shift2);
}

float row_sum_exp(const float* x, float scale, float shift, int n) {
  const float scale2 = scale * kLog2E, shift2 = shift * kLog2E;
  VecF sums[2] = {};
  int i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    sums[0] += exp2(load<VecF>(x + i) * scale2 - shift2);
    sums[1] += exp2(load<VecF>(x + i + kLanes) * scale2 - shift2);
  }
  for (; i < n; i += kLanes) sums[0] += exp_tail(x + i, scale2, shift2, n - i);
  return horizontal_sum(sums[0] + sums[1]);
}

void row_exp(const float* x, float scale, float shift, float factor, float offset, int n,
             float* out) {
  const float scale2 = scale * kLog2E, shift2 = shift * kLog2E;
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    store(out + i, factor * exp2(load<VecF>(x + i) * scale2 - shift2) - offset);
  }
  VecF tail = factor * exp_tail(x + i, scale2, shift2, n - i) - offset;
  for (int k = 0; i < n; ++i, ++k) out[i] = tail[k];
}

void row_add(float* __restrict x, const float* __restrict y, int n) {
  for (int i = 0; i < n; ++i) x[i] += y[i];
}

void row_normalize(const float* __restrict h, float mean, float rstd,
                   const float* __restrict weight, const float* __restrict bias, int n,
                   float* __restrict out) {
  if (bias) {
    for (int i = 0; i < n; ++i) out[i] = (h[i] - mean) * rstd * weight[i] + bias[i];
  } else {
    for (int i = 0; i < n; ++i) out[i] = (h[i] - mean) * rstd * weight[i];
  }
}

// A whole vector, or one from the last `count` values and else 0.
template <bool kWhole>
inline VecF load_part(const float* x, int count) {
  if constexpr (kWhole) return load<VecF>(x);
  float values[kLanes] = {};
  for (int k = 0; k < count && k < kLanes; ++k) values[k] = x[k];
  return load<VecF>(values);
}

template <bool kWhole>
inline void store_part(float* x, int count, VecF v) {
  if constexpr (kWhole) {
    store(x, v);
  } else {
    for (int k = 0; k < count && k < kLanes; ++k) x[k] = v[k];
  }
}

template <bool kWhole>
inline void accumulate(float* x, int count, VecF v) {
  store_part<kWhole>(x, count, load_part<kWhole>(x, count) + v);
}

// One vector of the sums; `count` values are left.
template <bool kWhole, bool kSecond>
inline void norm_sums_at(const NormRow& row, const NormSums& sums, int i, VecF* total,
                         VecF* weighted) {
  const int count = row.n - i;
  VecF normal = (load_part<kWhole>(row.h + i, count) - row.mean) * row.rstd;
  VecF dy = load_part<kWhole>(row.dy + i, count);
  VecF g = dy * load_part<kWhole>(row.weight + i, count);
  accumulate<kWhole>(sums.dweight + i, count, dy * normal);
  accumulate<kWhole>(sums.dbias + i, count, dy);
  if constexpr (kSecond) {
    VecF dy1 = load_part<kWhole>(row.dy1 + i, count);
    g += dy1 * load_part<kWhole>(row.weight1 + i, count);
    accumulate<kWhole>(sums.dweight1 + i, count, dy1 * normal);
    accumulate<kWhole>(sums.dbias1 + i, count, dy1);
  }
  *total += g;
  *weighted += g * normal;
}

template <bool kSecond>
void norm_sums_of(const NormRow& given, const NormSums& given_sums, float* sum_g,
                  float* sum_g_normal) {
  // Copies, as what is stored might be the pointers.
  const NormRow row = given;
  const NormSums sums = given_sums;
  VecF total[2] = {}, weighted[2] = {};
  int i = 0;
  for (; i + 2 * kLanes <= row.n; i += 2 * kLanes) {
    norm_sums_at<true, kSecond>(row, sums, i, &total[0], &weighted[0]);
    norm_sums_at<true, kSecond>(row, sums, i + kLanes, &total[1], &weighted[1]);
  }
  for (; i < row.n; i += kLanes) {
    norm_sums_at<false, kSecond>(row, sums, i, &total[0], &weighted[0]);
  }
  *sum_g = horizontal_sum(total[0] + total[1]);
  *sum_g_normal = horizontal_sum(weighted[0] + weighted[1]);
}

void row_norm_sums(const NormRow& row, const NormSums& sums, float* sum_g, float* sum_g_normal) {
  if (row.dy1) {
    norm_sums_of<true>(row, sums, sum_g, sum_g_normal);
  } else {
    norm_sums_of<false>(row, sums, sum_g, sum_g_normal);
  }
}

template <bool kWhole>
inline void norm_gradient_at(const NormRow& row, int i, float mean_g, float mean_g_normal,
                             float* out) {
  const int count = row.n - i;
  VecF normal = (load_part<kWhole>(row.h + i, count) - row.mean) * row.rstd;
  VecF g = load_part<kWhole>(row.dy + i, count) * load_part<kWhole>(row.weight + i, count);
  if (row.dy1) {
    g += load_part<kWhole>(row.dy1 + i, count) * load_part<kWhole>(row.weight1 + i, count);
  }
  store_part<kWhole>(out + i, count, (g - mean_g - normal * mean_g_normal) * row.rstd);
}

void row_norm_gradient(const NormRow& given, float mean_g, float mean_g_normal, float* out) {
  const NormRow row = given;
  int i = 0;
  for (; i + kLanes <= row.n; i += kLanes) {
    norm_gradient_at<true>(row, i, mean_g, mean_g_normal, out);
  }
  if (i < row.n) norm_gradient_at<false>(row, i, mean_g, mean_g_normal, out);
}

void row_rotate_halves(const float* __restrict x, const float* __restrict cos,
                       const float* __restrict sin, int pairs, float* __restrict out) {
  for (int i = 0; i < pairs; ++i) {
    out[i] = x[i] * cos[i] - x[pairs + i] * sin[i];
    out[pairs + i] = x[i] * sin[i] + x[pairs + i] * cos[i];
  }
}

void row_rotate_pairs(const float* __restrict x, const float* __restrict cos,
                      const float* __restrict sin, int pairs, float* __restrict out) {
  for (int i = 0; i < pairs; ++i) {
    out[2 * i] = x[2 * i] * cos[i] - x[2 * i + 1] * sin[i];
    out[2 * i + 1] = x[2 * i] * sin[i] + x[2 * i + 1] * cos[i];
  }
}

}  // namespace

// The explicit `extern` gives the table external linkage in spite of `const`.
extern const RowKernels kRowKernels = {FA_ISA_NAME,       row_max,           row_sum,
                                       row_sum_squares,   row_sum_exp,       row_exp,
                                       row_add,           row_normalize,     row_norm_sums,
                                       row_norm_gradient, row_rotate_halves, row_rotate_pairs};
