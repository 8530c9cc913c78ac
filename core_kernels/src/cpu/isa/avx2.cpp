// x86-64 with AVX2, FMA and F16C.

#include "cpu/microkernel.h"
#include "cpu/row_kernels.h"

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#define FA_ISA_NAME "avx2"
#define FA_LANES 8
#define FA_STRIP_VECTORS 2
#define FA_GEMM_ROWS 6
#define FA_FEW_VECTORS 2

namespace fa::cpu::avx2 {
namespace {

void halves_to_floats(const uint16_t* source, float* target) {
  __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
  _mm256_storeu_ps(target, _mm256_cvtph_ps(halves));
}

void floats_to_halves(const float* source, uint16_t* target) {
  __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(source), _MM_FROUND_TO_NEAREST_INT);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(target), halves);
}

}  // namespace

#include "cpu/isa/vector_math.h"

#include "cpu/isa/strip_scores.h"

#include "cpu/isa/key_parts.h"

#include "cpu/isa/few_kernels.h"

#include "cpu/isa/strip_kernels.h"

#include "cpu/isa/row_kernels_impl.h"

}  // namespace fa::cpu::avx2
