#pragma once

// Contract between the layers (baseline flags) and the ISA units: arithmetic on rows of fp32
// values. Rows may have any length and alignment; no two arguments overlap. See microkernel.h,
// whose load_row and store_row bring rows from and to tensors.

namespace fa::cpu {

// One row of the backward of a norm.
struct NormRow {
  const float* h;
  float mean;
  float rstd;
  const float* dy;
  const float* weight;
  const float* dy1;  // null without a second result
  const float* weight1;
  int n;
};

// Running sums over rows; the second pair is null without a second result.
struct NormSums {
  float* dweight;
  float* dbias;
  float* dweight1;
  float* dbias1;
};

struct RowKernels {
  const char* name;
  float (*max)(const float* x, int n);
  float (*sum)(const float* x, int n);
  // Sum of (x - mean)^2.
  float (*sum_squares)(const float* x, float mean, int n);
  // Sum of exp(scale * x - shift).
  float (*sum_exp)(const float* x, float scale, float shift, int n);
  // out = factor * exp(scale * x - shift) - offset
  void (*exp_row)(const float* x, float scale, float shift, float factor, float offset, int n,
                  float* out);
  // x += y
  void (*add)(float* x, const float* y, int n);
  // out = (h - mean) * rstd * weight + bias; bias may be null
  void (*normalize)(const float* h, float mean, float rstd, const float* weight, const float* bias,
                    int n, float* out);
  // With g = weight * dy + weight1 * dy1 and normal = (h - mean) * rstd: returns the sums of g and
  // of g * normal, adds dy * normal and dy to the running sums.
  void (*norm_sums)(const NormRow& row, const NormSums& sums, float* sum_g, float* sum_g_normal);
  // out = (g - mean_g - normal * mean_g_normal) * rstd
  void (*norm_gradient)(const NormRow& row, float mean_g, float mean_g_normal, float* out);
  // (first, second) becomes (first * cos - second * sin, first * sin + second * cos).
  void (*rotate_halves)(const float* x, const float* cos, const float* sin, int pairs, float* out);
  void (*rotate_pairs)(const float* x, const float* cos, const float* sin, int pairs, float* out);
};

namespace portable {
extern const RowKernels kRowKernels;
}
namespace avx2 {
extern const RowKernels kRowKernels;
}
namespace avx512 {
extern const RowKernels kRowKernels;
}
namespace neon {
extern const RowKernels kRowKernels;
}
namespace wide {  // test builds only
extern const RowKernels kRowKernels;
}

}  // namespace fa::cpu
