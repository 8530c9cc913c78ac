#pragma once

// Contract between the algorithms (baseline flags) and the ISA units. A strip is `strip` packed
// rows; per-strip data is stored with the rows as the fastest dimension, so that every vector lane
// is one row and no kernel reduces across lanes. All arithmetic is fp32. Strip buffers are 64-byte
// aligned. Results of a row never depend on its neighbours in the strip.

#include <cstdint>

#include "fa/dtype.h"

namespace fa::cpu {

inline constexpr int kMaxStrip = 32;

// c[i][x] (+)= sum_k a(i, k) * b[k][x], x over `strips` strips.
struct Gemm {
  float* c;
  int64_t c_row;  // c[i] at c + i * c_row + strip_index * c_strip
  int64_t c_strip;
  const float* a;  // a(i, k) at a + i * a_i + k * a_k
  int64_t a_i;
  int64_t a_k;
  const float* b;  // b[k] at b + k * b_row + strip_index * b_strip
  int64_t b_row;
  int64_t b_strip;
  int m;
  int k;
  int strips;
  bool accumulate;
};

// From raw q.k products to log2-domain scores, for keys key_begin .. key_begin + keys - 1.
struct Scores {
  float* s;  // [keys][strip]
  int keys;
  int32_t key_begin;
  const int32_t* lo;  // visible keys [lo, hi) per row
  const int32_t* hi;
  bool edge;              // false: every key of the tile is visible to every row
  float scale;            // softmax scale
  float softcap;          // 0 = off
  const float* slope;     // ALiBi per row, or null
  const float* diagonal;  // ALiBi: key index of the diagonal per row
};

// One step of the online softmax: s becomes exp2(score - m), m and l are updated and o rescaled.
struct SoftmaxStep {
  Scores scores;
  float* m;  // [strip] running maximum, log2 domain, -inf at first
  float* l;  // [strip] running sum
  float* o;  // [value_dim][strip]
  int value_dim;
};

// Probabilities with a known row maximum: s becomes exp2(score - m).
struct ProbsStep {
  Scores scores;
  const float* m;
};

// s becomes the dropped-out probabilities, dp becomes d(raw q.k products).
struct BackwardStep {
  Scores scores;
  float* dp;             // [keys][strip] in: dout.v
  const float* lse2;     // [strip] log2 domain, +inf for empty rows
  const float* delta;    // [strip] rowsum(dout * out) - dlse
  const uint32_t* keep;  // [keys] bit per row, or null
  float keep_scale;
};

struct Microkernels {
  const char* name;
  int strip;
  void (*load_row)(const void* source, DType dtype, int n, float* target);
  void (*store_row)(const float* source, DType dtype, int n, void* target);
  void (*gemm)(const Gemm& gemm);
  void (*softmax_step)(const SoftmaxStep& step);
  void (*probs_step)(const ProbsStep& step);
  void (*backward_step)(const BackwardStep& step);
  // s[key][row] *= keep bit ? keep_scale : 0
  void (*apply_keep)(float* s, int keys, const uint32_t* keep, float keep_scale);
};

namespace portable {
extern const Microkernels kMicrokernels;
}
namespace avx2 {
extern const Microkernels kMicrokernels;
}
namespace avx512 {
extern const Microkernels kMicrokernels;
}
namespace wide {  // test builds only
extern const Microkernels kMicrokernels;
}

}  // namespace fa::cpu
