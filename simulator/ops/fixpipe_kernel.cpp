// Source: "随路量化" and "随路量化与随路ReLU场景组合" pages with their golden scripts.
#include "ops/fixpipe_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ascsim/numeric.h"
#include "ascsim/report.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ASCSIM_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define ASCSIM_CLONES
#endif

namespace ascsim {

namespace {

// Fields of a quantisation parameter (table 1 of the page).
struct Scale {
  float factor;    // 1 sign, 8 exponent, 10 fraction bits: the low 13 of a float are cut off
  int32_t offset;  // 9 bits; documented as an integer, taken as signed (inferred)
  bool to_signed;
};

Scale scale_of(uint64_t bits, Quant quant) {
  const bool shifts = quant == Quant::kReqB8 || quant == Quant::kVecReqB8 ||
                      quant == Quant::kDeqFp16 || quant == Quant::kVecDeqFp16;
  if (shifts && ((bits >> 36) & 1) != 0) {
    throw SimulatorBug("Fixpipe: quantisation parameter with a shift (bit 36)");
  }
  Scale scale{};
  scale.factor = bits_as<float>(static_cast<uint32_t>(bits) & ~0x1fffu);
  const auto offset = static_cast<int32_t>((bits >> 37) & 0x1ff);
  scale.offset = offset >= 256 ? offset - 512 : offset;
  scale.to_signed = ((bits >> 46) & 1) != 0;
  return scale;
}

int32_t round_saturated(float value, int32_t low, int32_t high) {
  if (std::isnan(value)) return 0;
  const float bounded = std::clamp(value, static_cast<float>(low), static_cast<float>(high));
  return static_cast<int32_t>(std::nearbyint(bounded));
}

uint8_t quantised(float value, const Scale& scale) {
  const int32_t whole = round_saturated(value, -256, 255) + scale.offset;
  const int32_t bounded =
      scale.to_signed ? std::clamp(whole, -128, 127) : std::clamp(whole, 0, 255);
  return static_cast<uint8_t>(bounded);
}

ASCSIM_CLONES void narrow_fp16(const float* from, uint8_t* to, int64_t count) {
  auto* values = reinterpret_cast<_Float16*>(to);
  for (int64_t n = 0; n < count; ++n) values[n] = static_cast<_Float16>(from[n]);
}

void convert_scaled(const Conversion& c, const uint8_t* from, uint8_t* to, int64_t count,
                    int64_t column) {
  for (int64_t n = 0; n < count; ++n) {
    const Scale scale = scale_of(c.scales[c.per_column ? column + n : 0], c.quant);
    float value;
    if (c.from == DType::kInt32) {
      int32_t whole;
      std::memcpy(&whole, from + n * 4, 4);
      value = static_cast<float>(whole);
    } else {
      std::memcpy(&value, from + n * 4, 4);
    }
    value = c.relu && value < 0.0f ? 0.0f : value * scale.factor;
    if (bits_of(c.to) == 16) {
      const uint16_t half = to_fp16(value);
      std::memcpy(to + n * 2, &half, 2);
    } else {
      to[n] = quantised(value, scale);
    }
  }
}

}  // namespace

void convert_row(const Conversion& c, const uint8_t* from, uint8_t* to, int64_t count,
                 int64_t column) {
  if (c.quant != Quant::kNone && c.quant != Quant::kToFp16 && c.quant != Quant::kToBf16) {
    return convert_scaled(c, from, to, count, column);
  }
  if (c.from == DType::kInt32) {
    std::memcpy(to, from, static_cast<size_t>(count) * 4);
    auto* values = reinterpret_cast<int32_t*>(to);
    for (int64_t n = 0; c.relu && n < count; ++n) values[n] = std::max(values[n], 0);
    return;
  }
  alignas(64) float values[16];
  for (int64_t done = 0; done < count; done += 16) {
    const int64_t some = std::min<int64_t>(16, count - done);
    std::memcpy(values, from + done * 4, static_cast<size_t>(some) * 4);
    for (int64_t n = 0; c.relu && n < some; ++n) values[n] = values[n] < 0.0f ? 0.0f : values[n];
    if (c.quant == Quant::kToFp16) {
      narrow_fp16(values, to + done * 2, some);
    } else if (c.quant == Quant::kToBf16) {
      auto* target = reinterpret_cast<uint16_t*>(to) + done;
      for (int64_t n = 0; n < some; ++n) target[n] = to_bf16(values[n]);
    } else {
      std::memcpy(to + done * 4, values, static_cast<size_t>(some) * 4);
    }
  }
}

}  // namespace ascsim
