// Cast between element types, with its rounding modes.
#include <cstring>

#include "ops/vector_round.h"

namespace ascsim {

namespace {

template <typename To, typename From, typename Convert>
[[gnu::always_inline]] inline void convert_all(uint8_t* dst, const uint8_t* src, int64_t n,
                                               Convert&& convert) {
  auto* to = reinterpret_cast<To*>(dst);
  const auto* from = reinterpret_cast<const From*>(src);
  ASCSIM_INDEPENDENT
  for (int64_t l = 0; l < n; ++l) to[l] = convert(from[l]);
}

// ---- the pairs; each takes the rounding mode as template argument

struct HalfToFloat {
  template <Rounding>
  ASCSIM_HOT static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<float, uint16_t>(dst, a, n, [](uint16_t v) { return from_fp16(v); });
  }
};

struct Bf16ToFloat {
  template <Rounding>
  ASCSIM_HOT static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<uint32_t, uint16_t>(dst, a, n,
                                    [](uint16_t v) { return static_cast<uint32_t>(v) << 16; });
  }
};

struct FloatToHalf {
  template <Rounding mode>
  ASCSIM_HOT static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<uint16_t, float>(dst, a, n, [](float v) { return round_to_half<mode>(v); });
  }
};

struct FloatToBf16 {
  template <Rounding mode>
  ASCSIM_HOT static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<uint16_t, float>(dst, a, n, [](float v) { return round_to_bf16<mode>(v); });
  }
};

// Table 32: -0 becomes +0; taken to hold for results too.
struct FloatToFloat {
  template <Rounding mode>
  ASCSIM_HOT static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<float, float>(dst, a, n, [](float v) { return round_to_integral<mode>(v) + 0.0f; });
  }
};

template <typename T>
struct FloatToInteger {
  template <Rounding mode>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<T, float>(dst, a, n,
                          [](float v) { return saturated<T>(round_to_integral<mode>(v)); });
  }
};

template <typename T>
struct HalfToInteger {
  template <Rounding mode>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<T, uint16_t>(
        dst, a, n, [](uint16_t v) { return saturated<T>(round_to_integral<mode>(from_fp16(v))); });
  }
};

struct Bf16ToInt32 {
  template <Rounding mode>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<int32_t, uint16_t>(dst, a, n, [](uint16_t v) {
      const float wide = bits_as<float>(static_cast<uint32_t>(v) << 16);
      return saturated<int32_t>(round_to_integral<mode>(wide));
    });
  }
};

template <typename T>
struct IntegerToFloat {
  template <Rounding mode>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<float, T>(dst, a, n, [](T v) { return integer_to_float<mode>(v); });
  }
};

template <typename T>
struct IntegerToHalf {  // at most 16 bits: exact in float
  template <Rounding mode>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<uint16_t, T>(dst, a, n,
                             [](T v) { return round_to_half<mode>(static_cast<float>(v)); });
  }
};

template <typename To, typename From>
struct IntegerToInteger {  // saturates (table 32)
  template <Rounding>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    convert_all<To, From>(dst, a, n, [](From v) {
      const auto wide = static_cast<int64_t>(v);
      const int64_t high = std::min<int64_t>(wide, std::numeric_limits<To>::max());
      return static_cast<To>(std::max<int64_t>(high, std::numeric_limits<To>::min()));
    });
  }
};

// src / 2^17 * scale * 2^17 ("SetDeqScale" page); rounded once, which is inferred.
struct Int32ToHalf {
  template <Rounding>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t scale) {
    const auto factor = static_cast<double>(bits_as<float>(static_cast<uint32_t>(scale)));
    convert_all<uint16_t, int32_t>(dst, a, n, [factor](int32_t v) {
      return to_fp16(double_to_odd_float(static_cast<double>(v) * factor));
    });
  }
};

// Two in a byte, the first in the low four bits.
struct Int4ToHalf {
  template <Rounding>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    auto* to = reinterpret_cast<uint16_t*>(dst);
    for (int64_t l = 0; l < n; ++l) {
      const int bits = (a[l / 2] >> (l % 2 * 4)) & 15;
      to[l] = to_fp16(static_cast<float>(bits >= 8 ? bits - 16 : bits));
    }
  }
};

struct HalfToInt4 {
  template <Rounding mode>
  static void run(uint8_t* dst, const uint8_t* a, const uint8_t*, int64_t n, uint64_t) {
    const auto* from = reinterpret_cast<const uint16_t*>(a);
    const auto four = [&](int64_t l) {
      const auto v = saturated<int32_t>(round_to_integral<mode>(from_fp16(from[l])));
      return static_cast<unsigned>(std::min(std::max(v, -8), 7)) & 15u;
    };
    for (int64_t l = 0; l + 1 < n; l += 2) {
      dst[l / 2] = static_cast<uint8_t>(four(l) | (four(l + 1) << 4));
    }
  }
};

// ---- the table

using Modes = std::array<RunFunction, 7>;  // in the order of Rounding; nullptr: not allowed

template <typename Pair>
constexpr Modes exact() {
  return {Pair::template run<Rounding::kNone>};
}

template <typename Pair>
constexpr Modes rounded() {
  return {nullptr,
          Pair::template run<Rounding::kRint>,
          Pair::template run<Rounding::kFloor>,
          Pair::template run<Rounding::kCeil>,
          Pair::template run<Rounding::kRound>,
          Pair::template run<Rounding::kTrunc>,
          nullptr};
}

template <typename Pair>
constexpr Modes rounded_or_none() {
  Modes modes = rounded<Pair>();
  modes[0] = Pair::template run<Rounding::kRint>;
  return modes;
}

template <typename Pair>
constexpr Modes any() {
  const RunFunction f = Pair::template run<Rounding::kNone>;
  return {f, f, f, f, f, f, f};
}

constexpr Modes float_to_half_modes() {
  Modes modes = rounded_or_none<FloatToHalf>();
  modes[6] = FloatToHalf::run<Rounding::kOdd>;
  return modes;
}

struct Entry {
  DType from, to;
  Modes modes;
};

// "Cast" page, table of A2.
const Entry kEntries[] = {
    {DType::kInt4, DType::kFp16, exact<Int4ToHalf>()},
    {DType::kInt8, DType::kFp16, exact<IntegerToHalf<int8_t>>()},
    {DType::kUint8, DType::kFp16, exact<IntegerToHalf<uint8_t>>()},
    {DType::kInt16, DType::kFp16, rounded_or_none<IntegerToHalf<int16_t>>()},
    {DType::kInt16, DType::kFp32, exact<IntegerToFloat<int16_t>>()},
    {DType::kFp16, DType::kInt4, rounded_or_none<HalfToInt4>()},
    {DType::kFp16, DType::kInt8, rounded_or_none<HalfToInteger<int8_t>>()},
    {DType::kFp16, DType::kUint8, rounded_or_none<HalfToInteger<uint8_t>>()},
    {DType::kFp16, DType::kInt16, rounded<HalfToInteger<int16_t>>()},
    {DType::kFp16, DType::kInt32, rounded<HalfToInteger<int32_t>>()},
    {DType::kFp16, DType::kFp32, exact<HalfToFloat>()},
    {DType::kBf16, DType::kInt32, rounded<Bf16ToInt32>()},
    {DType::kBf16, DType::kFp32, exact<Bf16ToFloat>()},
    {DType::kInt32, DType::kInt16, exact<IntegerToInteger<int16_t, int32_t>>()},
    {DType::kInt32, DType::kFp16, any<Int32ToHalf>()},
    {DType::kInt32, DType::kFp32, rounded_or_none<IntegerToFloat<int32_t>>()},
    {DType::kInt32, DType::kInt64, exact<IntegerToInteger<int64_t, int32_t>>()},
    {DType::kFp32, DType::kInt16, rounded<FloatToInteger<int16_t>>()},
    {DType::kFp32, DType::kFp16, float_to_half_modes()},
    {DType::kFp32, DType::kBf16, rounded<FloatToBf16>()},
    {DType::kFp32, DType::kInt32, rounded<FloatToInteger<int32_t>>()},
    {DType::kFp32, DType::kFp32, rounded<FloatToFloat>()},
    {DType::kFp32, DType::kInt64, rounded<FloatToInteger<int64_t>>()},
    {DType::kInt64, DType::kInt32, exact<IntegerToInteger<int32_t, int64_t>>()},
    {DType::kInt64, DType::kFp32, rounded<IntegerToFloat<int64_t>>()},
};

const char* const kModeNames[] = {"CAST_NONE",  "CAST_RINT",  "CAST_FLOOR", "CAST_CEIL",
                                  "CAST_ROUND", "CAST_TRUNC", "CAST_ODD"};

const Entry* find_entry(DType from, DType to) {
  for (const Entry& entry : kEntries) {
    if (entry.from == from && entry.to == to) return &entry;
  }
  return nullptr;
}

std::string targets_of(DType from) {
  std::string text;
  for (const Entry& entry : kEntries) {
    if (entry.from != from) continue;
    if (!text.empty()) text += ", ";
    text += name_of(entry.to);
  }
  return text.empty() ? "nothing" : text;
}

std::string modes_of(const Entry& entry) {
  std::string text;
  for (size_t m = 0; m < entry.modes.size(); ++m) {
    if (entry.modes[m] == nullptr) continue;
    if (!text.empty()) text += ", ";
    text += kModeNames[m];
  }
  return text;
}

std::string pair_text(DType from, DType to) {
  return std::string("from ") + name_of(from) + " to " + name_of(to);
}

// Why this cast cannot be, or nothing.
std::string refusal(const Entry* entry, DType from, DType to, size_t mode) {
  if (entry == nullptr) return pair_text(from, to) + ", allowed " + targets_of(from);
  if (entry->modes[mode] == nullptr) {
    return pair_text(from, to) + " with " + kModeNames[mode] + ", allowed " + modes_of(*entry);
  }
  return "";
}

bool pairs_agree(uint64_t mask) { return ((mask ^ (mask >> 1)) & 0x5555555555555555u) == 0; }

VectorClass class_of(DType from, DType to) {
  if (bits_of(from) == bits_of(to)) return VectorClass::kCastSame;
  return bits_of(from) < bits_of(to) ? VectorClass::kCastWiden : VectorClass::kCastNarrow;
}

}  // namespace

void vector_cast(Rounding rounding, const Operand& dst, const Operand& src, const Lanes& lanes,
                 Steps dst_steps, Steps src_steps, Site site) {
  if (on_aic()) return;
  const auto mode = static_cast<size_t>(rounding);
  const Entry* entry = find_entry(src.dtype, dst.dtype);
  const ScalarState& state = machine().current().state;
  Elementwise e;
  e.name = "Cast";
  e.price = class_of(src.dtype, dst.dtype);
  e.types = {dst.dtype};
  e.refusal = refusal(entry, src.dtype, dst.dtype, mode);
  if (e.refusal.empty()) e.run = entry->modes[mode];
  if (src.dtype == DType::kInt32 && dst.dtype == DType::kFp16) {
    e.scalar = bits_as<uint32_t>(state.deq_scale);
    if (!state.deq_scale_set) e.refusal = pair_text(src.dtype, dst.dtype) + " before SetDeqScale";
  }
  if (src.dtype == DType::kInt4 || dst.dtype == DType::kInt4) {
    const bool preset = !lanes.counted && !lanes.own_mask;
    const uint64_t low = preset ? state.mask_low : lanes.low;
    const uint64_t high = preset ? state.mask_high : lanes.high;
    const bool even = lanes.counted        ? lanes.count % 2 == 0
                      : state.mask_counter ? low % 2 == 0
                                           : pairs_agree(low) && pairs_agree(high);
    if (!even) e.refusal = "int4 with a mask that parts the two elements of a byte";
  }
  e.dst = {"dst", dst, dst_steps};
  e.sources[0] = {"src", src, src_steps};
  e.source_count = 1;
  e.limits.block = 65535;
  elementwise(e, lanes, site);
}

}  // namespace ascsim
