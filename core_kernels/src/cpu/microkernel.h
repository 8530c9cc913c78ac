#pragma once

// Contract between the algorithms (baseline flags) and the ISA units. A strip is `strip` packed
// rows; per-strip data is stored with the rows as the fastest dimension, so that every vector lane
// is one row and no kernel reduces across lanes. All arithmetic is fp32, but for the products of
// bf16 pairs. Strip buffers are 64-byte aligned. Results of a row never depend on its neighbours in
// the strip.

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
  int rows;  // of the strip that count; the others may be left alone
  float* m;  // [strip] running maximum, log2 domain, -inf at first
  float* l;  // [strip] running sum
  float* o;  // [value_dim][strip]
  int value_dim;
  float* alpha;  // [strip]; given: gets what o has to be multiplied by, and o is left alone
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

// ---- few rows
// ------------------------------------------------------------------------------------

// Keys (or values) where the tensor has them, in fp32, bf16, fp16 or int8.
struct FewKeys {
  const char* const* rows;  // [count]
  int count;
  const char* const* ahead;  // [ahead_count] rows that are needed next, to be fetched meanwhile
  int ahead_count;
  DType dtype;
  int dim;
};

// s[key][r] (+)= k[key] . q[r]
struct FewScores {
  FewKeys k;
  const float* q;  // [rows][pitch], whole vectors
  int pitch;
  int rows;
  float* s;  // s[key] at s + key * s_key
  int s_key;
  bool accumulate;
};

// o[r] = alpha[r] * o[r] + sum over keys of p[key][r] * v[key]
struct FewValues {
  FewKeys v;
  const float* p;  // p[key] at p + key * p_key
  int p_key;
  const float* alpha;  // [rows]
  int rows;
  float* o;  // [rows][pitch], whole vectors
  int pitch;
};

// ---- products of bf16 pairs
// ----------------------------------------------------------------------

// A pair is two bf16 values in 32 bits, the first one low: neighbours along the summed dimension.
// c[i][x] (+)= sum over k of a(i, k) * b(k, x), for one strip of rows x; products are exact, sums
// fp32. With an odd k the second half of the last pairs is ignored, whatever it holds.
struct PairGemm {
  float* c;  // c[i] at c + i * c_row
  int64_t c_row;
  const uint32_t* a;  // pair p of a(i, .) at a + i * a_i + p * a_pair
  int64_t a_i;
  int64_t a_pair;
  const uint32_t* b;  // pair p of b at b + p * b_row
  int64_t b_row;
  int m;
  int k;                // values, not pairs
  const float* factor;  // [strip] of what c holds, which is added; null: c is overwritten
};

// One step of the online softmax: m and l are updated, from probabilities in fp32. p becomes these,
// after dropout and rounded to bf16, in pairs of keys; alpha what o has to be multiplied by.
struct PairSoftmaxStep {
  Scores scores;
  float* m;              // [strip] running maximum, log2 domain, -inf at first
  float* l;              // [strip] running sum
  float* alpha;          // [strip]
  const uint32_t* keep;  // [keys] bit per row, or null
  float keep_scale;
  uint32_t* p;  // [pairs of keys][strip], may be scores.s
};

// One step of the backward: of what BackwardStep leaves in s and dp, rounded to bf16, also the
// pairs that the next products sum over. Strips are side by side in p_rows and ds_rows.
struct PairBackwardStep {
  BackwardStep step;
  uint16_t* p_rows;   // [keys][row_pitch]
  uint16_t* ds_rows;  // [keys][row_pitch]
  int64_t row_pitch;
  uint32_t* ds;  // [pairs of keys][strip]
};

// Few rows: keys, values and rows of queries have neighbours along D in pairs, as in the tensor.
// There is room for whole blocks of kFewPairRows rows, all of which are computed.
inline constexpr int kFewPairRows = 4;

// s[key][r] (+)= k[key] . q[r], s with one strip
struct FewPairScores {
  FewKeys k;
  const uint32_t* q;  // [rows][pitch], whole vectors
  int pitch;
  int rows;
  float* s;
  bool accumulate;
};

// o[r] = alpha[r] * o[r] + sum over keys of p[key][r] * v[key], an even number of keys
struct FewPairValues {
  FewKeys v;
  const uint32_t* p;   // [pairs of keys][strip]
  const float* alpha;  // [rows]
  int rows;
  float* o;  // [rows][pitch], whole pairs of vectors
  int pitch;
};

// bf16 tensors on a unit with dot products of bf16 pairs.
struct PairKernels {
  int strip;
  void (*gemm)(const PairGemm& gemm);
  void (*softmax_step)(const PairSoftmaxStep& step);
  void (*probs_step)(const ProbsStep& step);
  // target[i] = pair of first[i] and second[i], which are bf16.
  void (*pair_rows)(const uint16_t* first, const uint16_t* second, int n, uint32_t* target);
  // target[p][row] = pair p of rows[row], for a strip of rows of n values; an odd n ends with a 0.
  void (*pair_strip)(const uint16_t* const* rows, int n, uint32_t* target);
  void (*backward_step)(const PairBackwardStep& step);
  void (*few_scores)(const FewPairScores& scores);
  void (*few_values)(const FewPairValues& values);
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
  void (*few_scores)(const FewScores& scores);
  void (*few_values)(const FewValues& values);
  const PairKernels* pairs;  // null without dot products of bf16
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
namespace avx512bf16 {  // all else is that of avx512
extern const PairKernels kPairKernels;
}
namespace neon {
extern const Microkernels kMicrokernels;
}
namespace wide {  // test builds only
extern const Microkernels kMicrokernels;
extern const PairKernels kPairKernels;
}  // namespace wide

}  // namespace fa::cpu
