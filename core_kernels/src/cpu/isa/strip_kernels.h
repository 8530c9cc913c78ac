// The strip kernels of microkernel.h, written once over GCC vector types. Each ISA unit defines
// FA_LANES, FA_GEMM_ROWS and the two half-precision conversions, then includes this file inside its
// own namespace, so that code compiled with different flags never shares a name.
// No #pragma once: one inclusion per ISA unit is the point.

namespace {

constexpr int kLanes = FA_LANES;
constexpr int kVectors = 2;  // vectors per strip row
constexpr int kStrip = kLanes * kVectors;
static_assert(kStrip <= kMaxStrip, "strip too wide for the callers' fixed buffers");

typedef float VecF __attribute__((vector_size(FA_LANES * 4)));
typedef int32_t VecI __attribute__((vector_size(FA_LANES * 4)));
typedef uint32_t VecU __attribute__((vector_size(FA_LANES * 4)));
typedef uint16_t VecH __attribute__((vector_size(FA_LANES * 2)));

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kInfinity = __builtin_inff();

template <typename Vec>
inline Vec load(const void* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <typename Vec>
inline void store(void* p, Vec v) {
  __builtin_memcpy(p, &v, sizeof v);
}

inline VecF broadcast(float x) { return x - VecF{}; }

// Keeps a NaN in `b`.
inline VecF max(VecF a, VecF b) { return a > b ? a : b; }

// 2^x for x <= 127; below 2^-126 the result is 0. Degree-6 minimax on [-0.5, 0.5], relative error
// 2.5e-9 before rounding.
inline VecF exp2(VecF x) {
  const VecF smallest = broadcast(-126.0f);
  VecF clamped = x < smallest ? smallest : x;
  const VecF magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  VecF shifted = clamped + magic;
  VecF f = clamped - (shifted - magic);
  VecF p = broadcast(0.000154614446986f);
  p = p * f + 0.00134004281776f;
  p = p * f + 0.00961805667852f;
  p = p * f + 0.0555032722667f;
  p = p * f + 0.240226509223f;
  p = p * f + 0.693147206703f;
  p = p * f + 1.0f;
  VecI exponent = (load<VecI>(&shifted) + 127) << 23;
  VecF result = p * load<VecF>(&exponent);
  return x < smallest ? VecF{} : result;
}

// Odd polynomial below 0.6 (relative error 1e-9), exponential above.
inline VecF tanh(VecF y) {
  VecF magnitude = y < 0.0f ? -y : y;
  VecF u = y * y;
  VecF p = broadcast(0.00226950168416f);
  p = p * u - 0.00832318705828f;
  p = p * u + 0.0217625029074f;
  p = p * u - 0.0539584616275f;
  p = p * u + 0.133333001462f;
  p = p * u - 0.333333331494f;
  VecF small = y + y * u * p;
  VecF bounded = magnitude > 20.0f ? broadcast(20.0f) : magnitude;
  VecF large = 1.0f - 2.0f / (1.0f + exp2(bounded * (2.0f * kLog2E)));
  large = y < 0.0f ? -large : large;
  return magnitude < 0.6f ? small : large;
}

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
      VecU bits = __builtin_convertvector(load<VecH>(s + i), VecU) << 16;
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
  } else if (dtype == DType::kFloat8E4M3) {
    const uint8_t* s = static_cast<const uint8_t*>(source);
    for (; i < n; ++i) target[i] = float8_to_float(s[i]);
  }
}

// Round to nearest even; a NaN keeps its sign and stays a NaN.
inline VecU bfloat16_bits(VecF x) {
  VecU bits = load<VecU>(&x);
  VecU rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  VecU quiet = (bits >> 16) | 0x40u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
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
      store(t + i, __builtin_convertvector(bfloat16_bits(load<VecF>(source + i)), VecH));
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
      store(narrow, __builtin_convertvector(bfloat16_bits(load<VecF>(wide)), VecH));
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
    VecF b0 = load<VecF>(b);
    VecF b1 = load<VecF>(b + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      float x = a[i * g.a_i];
      acc[i][0] += x * b0;
      acc[i][1] += x * b1;
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

// ---- scores ------------------------------------------------------------------------------------

// Per-row values of one vector of the strip.
struct RowVectors {
  VecI lo, hi;
  VecF slope, diagonal;
};

inline RowVectors row_vectors(const Scores& s, int x) {
  RowVectors rows = {};
  if (s.edge) {
    rows.lo = load<VecI>(s.lo + x);
    rows.hi = load<VecI>(s.hi + x);
  }
  if (s.slope) {
    rows.slope = load<VecF>(s.slope + x);
    rows.diagonal = load<VecF>(s.diagonal + x);
  }
  return rows;
}

// Score of one key in the log2 domain; `capped` returns tanh, which the backward pass needs.
template <bool kExtras>
inline VecF score(const Scores& s, const RowVectors& rows, int key, VecF raw, VecF* capped) {
  VecF t = raw * (s.scale * kLog2E);
  if constexpr (kExtras) {
    if (s.softcap > 0) {
      *capped = tanh(raw * (s.scale / s.softcap));
      t = *capped * (s.softcap * kLog2E);
    }
    if (s.slope) {
      VecF distance = rows.diagonal - static_cast<float>(s.key_begin + key);
      distance = distance < 0.0f ? -distance : distance;
      t = t - rows.slope * distance * kLog2E;
    }
  }
  if (s.edge) {
    VecI index = (s.key_begin + key) - VecI{};
    t = (index >= rows.lo) & (index < rows.hi) ? t : broadcast(-kInfinity);
  }
  return t;
}

inline bool has_extras(const Scores& s) { return s.softcap > 0 || s.slope != nullptr; }

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
    if (has_extras(step.scores)) {
      softmax_columns<true>(step, v * kLanes, &alpha[v]);
    } else {
      softmax_columns<false>(step, v * kLanes, &alpha[v]);
    }
    for (int lane = 0; lane < kLanes; ++lane) rescale |= alpha[v][lane] != 1.0f;
  }
  if (!rescale) return;
  for (int i = 0; i < step.value_dim; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      float* cell = step.o + i * kStrip + v * kLanes;
      store(cell, load<VecF>(cell) * alpha[v]);
    }
  }
}

void probs_step(const ProbsStep& step) {
  const Scores& s = step.scores;
  VecF unused;
  for (int x = 0; x < kStrip; x += kLanes) {
    RowVectors rows = row_vectors(s, x);
    VecF m = load<VecF>(step.m + x);
    m = m == -kInfinity ? VecF{} : m;
    for (int j = 0; j < s.keys; ++j) {
      float* cell = s.s + j * kStrip + x;
      store(cell, exp2(score<true>(s, rows, j, load<VecF>(cell), &unused) - m));
    }
  }
}

// ---- dropout and backward
// ------------------------------------------------------------------------

// keep_scale where the row's bit is set, else 0.
inline VecF keep_factor(uint32_t bits, int x, float keep_scale) {
  VecU lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = 1u << i;
  VecU set = ((bits >> x) - VecU{}) & lane;
  return set != 0u ? broadcast(keep_scale) : VecF{};
}

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
  const Scores& s = step.scores;
  RowVectors rows = row_vectors(s, x);
  VecF lse2 = load<VecF>(step.lse2 + x);
  VecF delta = load<VecF>(step.delta + x);
  VecF capped = {};
  for (int j = 0; j < s.keys; ++j) {
    float* s_cell = s.s + j * kStrip + x;
    float* dp_cell = step.dp + j * kStrip + x;
    VecF p = exp2(score<kExtras>(s, rows, j, load<VecF>(s_cell), &capped) - lse2);
    VecF dp = load<VecF>(dp_cell);
    VecF dropped = p;
    if (step.keep) {
      VecF factor = keep_factor(step.keep[j], x, step.keep_scale);
      dropped = p * factor;
      dp = dp * factor;
    }
    VecF ds = p * (dp - delta) * s.scale;
    if (kExtras && s.softcap > 0) ds = ds * (1.0f - capped * capped);
    store(s_cell, dropped);
    store(dp_cell, ds);
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
extern const Microkernels kMicrokernels = {FA_ISA_NAME,  kStrip,     load_row,      store_row, gemm,
                                           softmax_step, probs_step, backward_step, apply_keep};
