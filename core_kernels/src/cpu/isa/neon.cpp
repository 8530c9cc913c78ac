// AArch64 with Advanced SIMD, which every processor of that architecture has.

#include "cpu/microkernel.h"
#include "cpu/row_kernels.h"

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#define FA_ISA_NAME "neon"
#define FA_LANES 4
// 24 of 32 registers accumulate: 24 multiply-adds for 10 loads.
#define FA_STRIP_VECTORS 4
#define FA_GEMM_ROWS 6
#define FA_FEW_VECTORS 4
#define FA_MAX vmaxq_f32
#define FA_WIDEN vmovl_u16
#define FA_NARROW vmovn_u32

namespace fa::cpu::neon {
namespace {

void halves_to_floats(const uint16_t* source, float* target) {
  vst1q_f32(target, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(source))));
}

// Rounds to nearest even, unless the program has changed FPCR.
void floats_to_halves(const float* source, uint16_t* target) {
  vst1_u16(target, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(source))));
}

}  // namespace

#include "cpu/isa/vector_math.h"

#include "cpu/isa/strip_scores.h"

#include "cpu/isa/key_parts.h"

#include "cpu/isa/few_kernels.h"

#include "cpu/isa/strip_kernels.h"

#include "cpu/isa/row_kernels_impl.h"

}  // namespace fa::cpu::neon
