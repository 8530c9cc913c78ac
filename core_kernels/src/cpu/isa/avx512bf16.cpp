// x86-64 with AVX-512 F, BW, DQ, VL and BF16: the forward of bf16 tensors. All else is that of the
// AVX-512 unit.

#include "cpu/microkernel.h"

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#define FA_LANES 16

namespace fa::cpu::avx512bf16 {

#include "cpu/isa/vector_math.h"

#include "cpu/isa/strip_scores.h"

namespace {

// The instruction takes subnormal values for zero.
inline VecF dot(VecF sum, VecU a, VecU b) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}

inline VecH round_to_halves(VecF x) { return reinterpret_cast<VecH>(_mm512_cvtneps_pbh(x)); }

inline VecU round_to_pairs(VecF first, VecF second) {
  const __m512i interleave =
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  __m512i halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  return reinterpret_cast<VecU>(_mm512_permutexvar_epi16(interleave, halves));
}

// 2^x for x <= 127, as exp2 of vector_math.h; subnormal results are not lost. Below the clamp 0.
inline VecF exp2_of_score(VecF x) {
  VecF clamped = _mm512_max_ps(broadcast(-200.0f), x);  // keeps a NaN
  VecF whole = _mm512_roundscale_ps(clamped, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  VecF f = clamped - whole;
  VecF p = broadcast(0.000154614446986f);
  p = p * f + 0.00134004281776f;
  p = p * f + 0.00961805667852f;
  p = p * f + 0.0555032722667f;
  p = p * f + 0.240226509223f;
  p = p * f + 0.693147206703f;
  p = p * f + 1.0f;
  return _mm512_scalef_ps(p, whole);
}

}  // namespace

#include "cpu/isa/key_parts.h"

#include "cpu/isa/few_pair_kernels.h"

#include "cpu/isa/pair_kernels.h"

}  // namespace fa::cpu::avx512bf16
