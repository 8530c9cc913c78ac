// Test builds only: the 16-lane kernels of the AVX-512 unit, lowered to AVX2 by the compiler, so
// that their strip width and tails are exercised on machines without AVX-512; and the pair kernels
// of the AVX512-BF16 unit, with products of bf16 pairs in fp32.

#include "cpu/microkernel.h"
#include "cpu/row_kernels.h"

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#define FA_ISA_NAME "wide"
#define FA_LANES 16
#define FA_STRIP_VECTORS 2
#define FA_GEMM_ROWS 12
#define FA_FEW_VECTORS 4

namespace fa::cpu::wide {
namespace {

void halves_to_floats(const uint16_t* source, float* target) {
  for (int i = 0; i < FA_LANES; i += 8) {
    __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i));
    _mm256_storeu_ps(target + i, _mm256_cvtph_ps(halves));
  }
}

void floats_to_halves(const float* source, uint16_t* target) {
  for (int i = 0; i < FA_LANES; i += 8) {
    __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i), halves);
  }
}

}  // namespace

#include "cpu/isa/vector_math.h"

#include "cpu/isa/strip_scores.h"

#include "cpu/isa/key_parts.h"

#include "cpu/isa/few_kernels.h"

#include "cpu/isa/strip_kernels.h"

#include "cpu/isa/row_kernels_impl.h"

namespace {

inline VecF as_floats(VecU bits) { return load<VecF>(&bits); }

inline VecF dot(VecF sum, VecU a, VecU b) {
  sum += as_floats(a & 0xffff0000u) * as_floats(b & 0xffff0000u);
  return sum + as_floats(a << 16) * as_floats(b << 16);
}

inline VecH round_to_halves(VecF x) { return narrowed(bfloat16_bits(x)); }

inline VecU round_to_pairs(VecF first, VecF second) {
  return bfloat16_bits(first) | bfloat16_bits(second) << 16;
}

inline VecF exp2_of_score(VecF x) { return exp2(x); }

}  // namespace

#include "cpu/isa/few_pair_kernels.h"

#include "cpu/isa/pair_kernels.h"

}  // namespace fa::cpu::wide
