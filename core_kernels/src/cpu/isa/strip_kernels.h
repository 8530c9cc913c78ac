// The strip kernels of microkernel.h, written once over the vectors of vector_math.h. Each ISA unit
// defines FA_STRIP_VECTORS, FA_GEMM_ROWS and the two half-precision conversions, then includes this
// file inside its own namespace, after strip_scores.h.
// No #pragma once: one inclusion per ISA unit is the point.

namespace {

constexpr int kVectors = FA_STRIP_VECTORS;  // per row of a strip
constexpr int kStrip = kLanes * kVectors;
static_assert(kStrip <= kMaxStrip, "strip too wide for the callers' fixed buffers");

// ---- rows -------------------------------------------------------------------------------------

inline float bfloat16_to_float(uint16_t h) {
  uint32_t bits = static_cast<uint32_t>(h) << 16;
  float f;
  __builtin_memcpy(&f, &bits, 4);
  return f;
}

// float8_e4m3fn: bias 7, no infinities, NaN is 0x7f.
inline float float8_to_float(uint8_t h) {
  int exponent = (h >> 3) & 15;
  int mantissa = h & 7;
  float magnitude = exponent == 0
                        ? mantissa * 0.001953125f  // 2^-9
                        : (1.0f + mantissa * 0.125f) *
                              bfloat16_to_float(static_cast<uint16_t>((exponent + 120) << 7));
  if ((h & 0x7f) == 0x7f) magnitude = __builtin_nanf("");
  return h & 0x80 ? -magnitude : magnitude;
}

void load_row(const void* source, DType dtype, int n, float* target) {
  int i = 0;
  if (dtype == DType::kFloat32) {
    __builtin_memcpy(target, source, static_cast<size_t>(n) * 4);
  } else if (dtype == DType::kBFloat16) {
    const uint16_t* s = static_cast<const uint16_t*>(source);
    for (; i + kLanes <= n; i += kLanes) {
      VecU bits = widened(load<VecH>(s + i)) << 16;
      store(target + i, bits);
    }
    for (; i < n; ++i) target[i] = bfloat16_to_float(s[i]);
  } else if (dtype == DType::kFloat16) {
    const uint16_t* s = static_cast<const uint16_t*>(source);
    for (; i + kLanes <= n; i += kLanes) halves_to_floats(s + i, target + i);
    uint16_t tail[kLanes] = {};
    float wide[kLanes];
    __builtin_memcpy(tail, s + i, static_cast<size_t>(n - i) * 2);
    halves_to_floats(tail, wide);
    __builtin_memcpy(target + i, wide, static_cast<size_t>(n - i) * 4);
  } else if (dtype == DType::kInt8) {
    const int8_t* s = static_cast<const int8_t*>(source);
    for (; i + kLanes <= n; i += kLanes) store(target + i, codes_to_floats(s + i));
    for (; i < n; ++i) target[i] = s[i];
  } else if (dtype == DType::kFloat8E4M3) {
    const uint8_t* s = static_cast<const uint8_t*>(source);
    for (; i < n; ++i) target[i] = float8_to_float(s[i]);
  }
}

void store_row(const float* source, DType dtype, int n, void* target) {
  if (dtype == DType::kFloat32) {
    __builtin_memcpy(target, source, static_cast<size_t>(n) * 4);
    return;
  }
  uint16_t* t = static_cast<uint16_t*>(target);
  int i = 0;
  if (dtype == DType::kBFloat16) {
    for (; i + kLanes <= n; i += kLanes) {
      store(t + i, narrowed(bfloat16_bits(load<VecF>(source + i))));
    }
  } else {
    for (; i + kLanes <= n; i += kLanes) floats_to_halves(source + i, t + i);
  }
  for (; i < n; i += kLanes) {
    int count = n - i < kLanes ? n - i : kLanes;
    float wide[kLanes] = {};
    uint16_t narrow[kLanes];
    __builtin_memcpy(wide, source + i, static_cast<size_t>(count) * 4);
    if (dtype == DType::kBFloat16) {
      store(narrow, narrowed(bfloat16_bits(load<VecF>(wide))));
    } else {
      floats_to_halves(wide, narrow);
    }
    __builtin_memcpy(t + i, narrow, static_cast<size_t>(count) * 2);
  }
}

// ---- matrix products ---------------------------------------------------------------------------

// `kRows` rows of c, one strip. The accumulators live in registers for the whole k loop.
template <int kRows>
inline void gemm_panel(const Gemm& g, const float* a, const float* b, float* c) {
  VecF acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    for (int x = 0; x < kVectors; ++x) {
      acc[i][x] = g.accumulate ? load<VecF>(c + i * g.c_row + x * kLanes) : VecF{};
    }
  }
  for (int k = 0; k < g.k; ++k) {
    VecF y[kVectors];
#pragma GCC unroll 4
    for (int x = 0; x < kVectors; ++x) y[x] = load<VecF>(b + x * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      float scalar = a[i * g.a_i];
#pragma GCC unroll 4
      for (int x = 0; x < kVectors; ++x) acc[i][x] += scalar * y[x];
    }
    a += g.a_k;
    b += g.b_row;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    for (int x = 0; x < kVectors; ++x) store(c + i * g.c_row + x * kLanes, acc[i][x]);
  }
}

// The last m % FA_GEMM_ROWS rows.
template <int kRows>
inline void gemm_tail(const Gemm& g, int rows, const float* a, const float* b, float* c) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      gemm_panel<kRows>(g, a, b, c);
    } else {
      gemm_tail<kRows - 1>(g, rows, a, b, c);
    }
  }
}

void gemm(const Gemm& g) {
  constexpr int kRows = FA_GEMM_ROWS;
  for (int strip = 0; strip < g.strips; ++strip) {
    const float* b = g.b + strip * g.b_strip;
    float* c = g.c + strip * g.c_strip;
    int i = 0;
    for (; i + kRows <= g.m; i += kRows) {
      gemm_panel<kRows>(g, g.a + i * g.a_i, b, c + i * g.c_row);
    }
    gemm_tail<kRows - 1>(g, g.m - i, g.a + i * g.a_i, b, c + i * g.c_row);
  }
}

// ---- softmax -----------------------------------------------------------------------------------

template <bool kExtras>
void softmax_columns(const SoftmaxStep& step, int x, VecF* alpha) {
  const Scores& s = step.scores;
  RowVectors rows = row_vectors(s, x);
  VecF old_max = load<VecF>(step.m + x);
  VecF new_max = old_max;
  VecF unused;
  for (int j = 0; j < s.keys; ++j) {
    float* cell = s.s + j * kStrip + x;
    VecF t = score<kExtras>(s, rows, j, load<VecF>(cell), &unused);
    store(cell, t);
    new_max = max(new_max, t);
  }
  VecF base = new_max == -kInfinity ? VecF{} : new_max;
  VecF sum = {};
  for (int j = 0; j < s.keys; ++j) {
    float* cell = s.s + j * kStrip + x;
    VecF p = exp2(load<VecF>(cell) - base);
    store(cell, p);
    sum += p;
  }
  *alpha = exp2(old_max - base);
  store(step.m + x, new_max);
  store(step.l + x, load<VecF>(step.l + x) * *alpha + sum);
}

void softmax_step(const SoftmaxStep& step) {
  VecF alpha[kVectors];
  bool rescale = false;
  for (int v = 0; v < kVectors; ++v) {
    alpha[v] = VecF{};
    if (v * kLanes >= step.rows) continue;
    if (has_extras(step.scores)) {
      softmax_columns<true>(step, v * kLanes, &alpha[v]);
    } else {
      softmax_columns<false>(step, v * kLanes, &alpha[v]);
    }
    for (int lane = 0; lane < kLanes; ++lane) rescale |= alpha[v][lane] != 1.0f;
  }
  if (step.alpha) {
    for (int v = 0; v < kVectors; ++v) store(step.alpha + v * kLanes, alpha[v]);
    return;
  }
  if (!rescale) return;
  for (int i = 0; i < step.value_dim; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      float* cell = step.o + i * kStrip + v * kLanes;
      store(cell, load<VecF>(cell) * alpha[v]);
    }
  }
}

// ---- dropout and backward ----------------------------------------------------------------------

void apply_keep(float* s, int keys, const uint32_t* keep, float keep_scale) {
  for (int j = 0; j < keys; ++j) {
    for (int x = 0; x < kStrip; x += kLanes) {
      float* cell = s + j * kStrip + x;
      store(cell, load<VecF>(cell) * keep_factor(keep[j], x, keep_scale));
    }
  }
}

template <bool kExtras>
void backward_columns(const BackwardStep& step, int x) {
  RowVectors rows = row_vectors(step.scores, x);
  VecF lse2 = load<VecF>(step.lse2 + x);
  VecF delta = load<VecF>(step.delta + x);
  for (int j = 0; j < step.scores.keys; ++j) {
    float* s_cell = step.scores.s + j * kStrip + x;
    float* dp_cell = step.dp + j * kStrip + x;
    VecF p = load<VecF>(s_cell), dp = load<VecF>(dp_cell);
    backward_of_key<kExtras>(step, rows, j, x, lse2, delta, &p, &dp);
    store(s_cell, p);
    store(dp_cell, dp);
  }
}

void backward_step(const BackwardStep& step) {
  for (int x = 0; x < kStrip; x += kLanes) {
    if (has_extras(step.scores)) {
      backward_columns<true>(step, x);
    } else {
      backward_columns<false>(step, x);
    }
  }
}

}  // namespace

// The explicit `extern` gives the table external linkage in spite of `const`.
extern const Microkernels kMicrokernels = {
    FA_ISA_NAME,        kStrip,        load_row,   store_row,  gemm,       softmax_step,
    probs_step<kStrip>, backward_step, apply_keep, few_scores, few_values, nullptr};
