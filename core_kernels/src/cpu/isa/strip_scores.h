// From raw products to scores and dropout factors, one vector of rows at a time, for every width of
// strip. Included after vector_math.h, inside the namespace of an ISA unit.
// No #pragma once: one inclusion per ISA unit is the point.

namespace {

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

// ProbsStep for strips of `kWidth` rows.
template <int kWidth>
void probs_step(const ProbsStep& step) {
  const Scores& s = step.scores;
  VecF unused;
  for (int x = 0; x < kWidth; x += kLanes) {
    RowVectors rows = row_vectors(s, x);
    VecF m = load<VecF>(step.m + x);
    m = m == -kInfinity ? VecF{} : m;
    for (int j = 0; j < s.keys; ++j) {
      float* cell = s.s + j * kWidth + x;
      store(cell, exp2(score<true>(s, rows, j, load<VecF>(cell), &unused) - m));
    }
  }
}

// keep_scale where the row's bit is set, else 0.
inline VecF keep_factor(uint32_t bits, int x, float keep_scale) {
  VecU lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = 1u << i;
  VecU set = ((bits >> x) - VecU{}) & lane;
  return set != 0u ? broadcast(keep_scale) : VecF{};
}

// From a raw product and dp to the dropped-out probability and ds, for the vector of rows at x.
template <bool kExtras>
inline void backward_of_key(const BackwardStep& step, const RowVectors& rows, int key, int x,
                            VecF lse2, VecF delta, VecF* p, VecF* dp) {
  const Scores& s = step.scores;
  VecF capped = {};
  VecF probability = exp2(score<kExtras>(s, rows, key, *p, &capped) - lse2);
  *p = probability;
  if (step.keep) {
    VecF factor = keep_factor(step.keep[key], x, step.keep_scale);
    *p = probability * factor;
    *dp = *dp * factor;
  }
  *dp = probability * (*dp - delta) * s.scale;
  if (kExtras && s.softcap > 0) *dp = *dp * (1.0f - capped * capped);
}

}  // namespace
