// x86-64 with AVX-512 F, BW, DQ and VL.

#include "cpu/microkernel.h"
#include "cpu/row_kernels.h"

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#define FA_ISA_NAME "avx512"
#define FA_LANES 16
#define FA_STRIP_VECTORS 2
#define FA_GEMM_ROWS 12
#define FA_FEW_VECTORS 4

namespace fa::cpu::avx512 {
namespace {

void halves_to_floats(const uint16_t* source, float* target) {
  __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
  _mm512_storeu_ps(target, _mm512_cvtph_ps(halves));
}

void floats_to_halves(const float* source, uint16_t* target) {
  __m256i halves = _mm512_cvtps_ph(_mm512_loadu_ps(source), _MM_FROUND_TO_NEAREST_INT);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), halves);
}

}  // namespace

#include "cpu/isa/vector_math.h"

#include "cpu/isa/strip_scores.h"

#include "cpu/isa/key_parts.h"

#include "cpu/isa/few_kernels.h"

#include "cpu/isa/strip_kernels.h"

#include "cpu/isa/row_kernels_impl.h"

}  // namespace fa::cpu::avx512
