// The pair kernels of microkernel.h, written once over the vectors of vector_math.h; a strip is one
// vector wide. Each ISA unit defines the steps that its instructions decide (dot, round_to_halves,
// round_to_pairs, exp2_of_score), then includes this file inside its own namespace, after
// strip_scores.h and few_pair_kernels.h. No #pragma once: one inclusion per ISA unit is the point.

namespace {

constexpr int kPairRows = 8;  // accumulators of a panel: enough to hide the latency of a sum

inline VecU spread(uint32_t pair) { return pair - VecU{}; }

// `kRows` rows of c. The accumulators live in registers for the whole loop over pairs.
template <int kRows>
inline void pair_panel(const PairGemm& g, const uint32_t* a, float* c) {
  VecF acc[kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    acc[i] = g.factor ? load<VecF>(c + i * g.c_row) * load<VecF>(g.factor) : VecF{};
  }
  const uint32_t* b = g.b;
  for (int p = 0; p < g.k / 2; ++p) {
    VecU x = load<VecU>(b);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) acc[i] = dot(acc[i], x, spread(a[i * g.a_i]));
    a += g.a_pair;
    b += g.b_row;
  }
  if (g.k % 2 != 0) {
    VecU x = load<VecU>(b) & 0xffffu;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) acc[i] = dot(acc[i], x, spread(a[i * g.a_i] & 0xffffu));
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) store(c + i * g.c_row, acc[i]);
}

// The last m % kPairRows rows.
template <int kRows>
inline void pair_tail(const PairGemm& g, int rows, const uint32_t* a, float* c) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      pair_panel<kRows>(g, a, c);
    } else {
      pair_tail<kRows - 1>(g, rows, a, c);
    }
  }
}

void pair_gemm(const PairGemm& g) {
  int i = 0;
  for (; i + kPairRows <= g.m; i += kPairRows) {
    pair_panel<kPairRows>(g, g.a + i * g.a_i, g.c + i * g.c_row);
  }
  pair_tail<kPairRows - 1>(g, g.m - i, g.a + i * g.a_i, g.c + i * g.c_row);
}

// Masked raw products stay in s, their maximum is returned: the scale waits for the exponential.
inline VecF masked_max(const Scores& s, const RowVectors& rows) {
  VecF top = broadcast(-kInfinity);
  for (int j = 0; j < s.keys; ++j) {
    VecF raw = load<VecF>(s.s + j * kLanes);
    if (s.edge) {
      VecI index = (s.key_begin + j) - VecI{};
      raw = (index >= rows.lo) & (index < rows.hi) ? raw : broadcast(-kInfinity);
      store(s.s + j * kLanes, raw);
    }
    top = max(top, raw);
  }
  return top;
}

// Scores, scaled and with all that is added to them, stay in s.
inline VecF scored_max(const Scores& s, const RowVectors& rows) {
  VecF top = broadcast(-kInfinity);
  VecF unused;
  for (int j = 0; j < s.keys; ++j) {
    VecF t = score<true>(s, rows, j, load<VecF>(s.s + j * kLanes), &unused);
    store(s.s + j * kLanes, t);
    top = max(top, t);
  }
  return top;
}

// exp2(s * factor - base), its sum into `sum`, then dropout.
inline VecF probability(const PairSoftmaxStep& step, int key, float factor, VecF base, VecF* sum) {
  VecF p = exp2_of_score(load<VecF>(step.scores.s + key * kLanes) * factor - base);
  *sum += p;
  return step.keep ? p * keep_factor(step.keep[key], 0, step.keep_scale) : p;
}

void pair_softmax_step(const PairSoftmaxStep& step) {
  const Scores& s = step.scores;
  RowVectors rows = row_vectors(s, 0);
  // The maximum of scaled products is the scaled maximum, if the scale is positive.
  bool plain = !has_extras(s) && s.scale > 0;
  float factor = plain ? s.scale * kLog2E : 1.0f;
  VecF top = plain ? masked_max(s, rows) * factor : scored_max(s, rows);
  VecF old_max = load<VecF>(step.m);
  VecF new_max = max(old_max, top);
  VecF base = new_max == -kInfinity ? VecF{} : new_max;
  VecF sums[2] = {};
  int j = 0;
  for (; j + 2 <= s.keys; j += 2) {
    VecF first = probability(step, j, factor, base, &sums[0]);
    VecF second = probability(step, j + 1, factor, base, &sums[1]);
    store(step.p + j / 2 * kLanes, round_to_pairs(first, second));
  }
  if (j < s.keys) {
    VecF last = probability(step, j, factor, base, &sums[0]);
    store(step.p + j / 2 * kLanes, round_to_pairs(last, VecF{}));
  }
  VecF alpha = exp2_of_score(old_max - base);
  store(step.alpha, alpha);
  store(step.m, new_max);
  store(step.l, load<VecF>(step.l) * alpha + (sums[0] + sums[1]));
}

void pair_rows(const uint16_t* first, const uint16_t* second, int n, uint32_t* target) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    VecU low = __builtin_convertvector(load<VecH>(first + i), VecU);
    VecU high = __builtin_convertvector(load<VecH>(second + i), VecU);
    store(target + i, low | high << 16);
  }
  for (; i < n; ++i) target[i] = first[i] | static_cast<uint32_t>(second[i]) << 16;
}

// Swaps the bits of weight kBit between the index of a vector and that of a lane.
template <int kBit>
inline void swap_index_bit(VecU v[kLanes]) {
  VecI low, high;
  for (int i = 0; i < kLanes; ++i) {
    low[i] = i & kBit ? kLanes + i - kBit : i;
    high[i] = low[i] + kBit;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & kBit) continue;
    VecU a = v[i], b = v[i + kBit];
    v[i] = __builtin_shuffle(a, b, low);
    v[i + kBit] = __builtin_shuffle(a, b, high);
  }
}

void pair_strip(const uint16_t* const* rows, int n, uint32_t* target) {
  static_assert(kLanes == 16, "transposes 16 by 16 pairs");
  for (int at = 0; at < n; at += 2 * kLanes) {
    VecU v[kLanes];
    if (at + 2 * kLanes <= n) {
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r) v[r] = load<VecU>(rows[r] + at);
    } else {
      for (int r = 0; r < kLanes; ++r) {
        VecU part = {};
        __builtin_memcpy(&part, rows[r] + at, static_cast<size_t>(n - at) * 2);
        v[r] = part;
      }
    }
    swap_index_bit<8>(v);
    swap_index_bit<4>(v);
    swap_index_bit<2>(v);
    swap_index_bit<1>(v);
    int pairs = n - at < 2 * kLanes ? (n - at + 1) / 2 : kLanes;
    for (int p = 0; p < pairs; ++p) store(target + (at / 2 + p) * kLanes, v[p]);
  }
}

template <bool kExtras>
void pair_backward_columns(const PairBackwardStep& pairs) {
  const BackwardStep& step = pairs.step;
  RowVectors rows = row_vectors(step.scores, 0);
  VecF lse2 = load<VecF>(step.lse2);
  VecF delta = load<VecF>(step.delta);
  for (int j = 0; j < step.scores.keys; j += 2) {
    VecF p[2] = {}, ds[2] = {};
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      if (j + i == step.scores.keys) break;
      p[i] = load<VecF>(step.scores.s + (j + i) * kLanes);
      ds[i] = load<VecF>(step.dp + (j + i) * kLanes);
      backward_of_key<kExtras>(step, rows, j + i, 0, lse2, delta, &p[i], &ds[i]);
      store(pairs.p_rows + (j + i) * pairs.row_pitch, round_to_halves(p[i]));
      store(pairs.ds_rows + (j + i) * pairs.row_pitch, round_to_halves(ds[i]));
    }
    store(pairs.ds + j / 2 * kLanes, round_to_pairs(ds[0], ds[1]));
  }
}

void pair_backward_step(const PairBackwardStep& step) {
  if (has_extras(step.step.scores)) {
    pair_backward_columns<true>(step);
  } else {
    pair_backward_columns<false>(step);
  }
}

}  // namespace

// The explicit `extern` gives the table external linkage in spite of `const`.
extern const PairKernels kPairKernels = {
    kLanes,     pair_gemm,          pair_softmax_step, probs_step<kLanes>, pair_rows,
    pair_strip, pair_backward_step, few_pair_scores,   few_pair_values};
