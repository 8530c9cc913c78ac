// Any CPU: four-lane vectors that the compiler maps to SSE2, NEON or scalar code.

#include "cpu/microkernel.h"
#include "cpu/row_kernels.h"

#include <cstdint>
#include <cstring>

#define FA_ISA_NAME "portable"
#define FA_LANES 4
#define FA_STRIP_VECTORS 2
#define FA_GEMM_ROWS 4
#define FA_FEW_VECTORS 2

namespace fa::cpu::portable {
namespace {

float half_to_float(uint16_t h) {
  uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  uint32_t exponent = (h >> 10) & 31u;
  uint32_t mantissa = h & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    float f = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
    return sign ? -f : f;
  }
  uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | (mantissa << 13);
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

// Round to nearest even.
uint16_t float_to_half(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // >= 65520
  if (magnitude < 0x38800000u) {  // below 2^-14: the sum rounds at the subnormal's last bit
    float scaled;
    std::memcpy(&scaled, &magnitude, 4);
    scaled += 0.5f;
    std::memcpy(&bits, &scaled, 4);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000u));
  }
  uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u;
  return static_cast<uint16_t>(sign | (rounded >> 13));
}

void halves_to_floats(const uint16_t* source, float* target) {
  for (int i = 0; i < FA_LANES; ++i) target[i] = half_to_float(source[i]);
}

void floats_to_halves(const float* source, uint16_t* target) {
  for (int i = 0; i < FA_LANES; ++i) target[i] = float_to_half(source[i]);
}

}  // namespace

#include "cpu/isa/vector_math.h"

#include "cpu/isa/strip_scores.h"

#include "cpu/isa/key_parts.h"

#include "cpu/isa/few_kernels.h"

#include "cpu/isa/strip_kernels.h"

#include "cpu/isa/row_kernels_impl.h"

}  // namespace fa::cpu::portable
