// Macros, types and enumerations that every Ascend C kernel uses.
//
// Written from the public documentation of Ascend C for A2/A3; only names and meanings are those of
// the original.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "ascsim/types.h"

#ifndef __NPU_ARCH__
#define __NPU_ARCH__ 2201
#endif

// Attributes and address spaces say nothing to a host compiler.
#define __aicore__
#define __global__
#define __gm__
#define __ubuf__
#define __cbuf__
#define __ca__
#define __cb__
#define __cc__
#define __fbuf__
#define __inline__ inline
#ifndef __forceinline__
#define __forceinline__ inline
#endif
#define __mix__(aic, aiv)
#define __cube__
#define __vector__
#define __schedmode__(mode)
#define __WORKGROUP_LOCAL__
#define GM_ADDR uint8_t*

using half = _Float16;

// Brain floating point: the upper half of a float. Scalar code only converts; the vector unit of
// 2201 has no bfloat16 arithmetic either.
class bfloat16_t {
 public:
  bfloat16_t() = default;
  bfloat16_t(float value) : bits_(round(value)) {}
  bfloat16_t(double value) : bfloat16_t(static_cast<float>(value)) {}
  template <typename I, typename = std::enable_if_t<std::is_integral_v<I>>>
  bfloat16_t(I value) : bfloat16_t(static_cast<float>(value)) {}
  operator float() const {
    const uint32_t wide = static_cast<uint32_t>(bits_) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof(value));
    return value;
  }

 private:
  static uint16_t round(float value) {  // to nearest, ties to even; NaN stays NaN
    uint32_t wide;
    std::memcpy(&wide, &value, sizeof(wide));
    if ((wide & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((wide >> 16) | 0x40u);
    return static_cast<uint16_t>((wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16);
  }

  uint16_t bits_;
};

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

// Unqualified calls that kernels expect to find.
using std::max;
using std::min;

enum pipe_t {
  PIPE_S = 0,
  PIPE_V,
  PIPE_M,
  PIPE_MTE1,
  PIPE_MTE2,
  PIPE_MTE3,
  PIPE_ALL,
  PIPE_MTE4 = 7,
  PIPE_MTE5 = 8,
  PIPE_V2 = 9,
  PIPE_FIX = 10
};

enum event_t : uint8_t {
  EVENT_ID0,
  EVENT_ID1,
  EVENT_ID2,
  EVENT_ID3,
  EVENT_ID4,
  EVENT_ID5,
  EVENT_ID6,
  EVENT_ID7
};

enum QuantMode_t {
  NoQuant = 0,
  F322F16 = 1,
  VQF322HIF8_PRE = 2,
  QF322HIF8_PRE = 3,
  VQF322HIF8_PRE_HYBRID = 4,
  QF322HIF8_PRE_HYBRID = 5,
  AttachF16Mul = 6,
  VREQ8 = 8,
  REQ8 = 9,
  VDEQF16 = 10,
  DEQF16 = 11,
  VSHIFTS322S16 = 12,
  SHIFTS322S16 = 13,
  F322BF16 = 16,
  VQF162B8_PRE = 17,
  QF162B8_PRE = 18,
  VQF322B8_PRE = 23,
  QF322B8_PRE = 24
};

namespace AscendC {

constexpr int32_t AIC = 1;
constexpr int32_t AIV = 2;

using TEventID = int8_t;
struct int4b_t {
  uint8_t storage;  // two values; addressing is by element, so int4 tensors count halves of a byte
};

enum class TPosition : uint8_t {
  GM,
  A1,
  A2,
  B1,
  B2,
  C1,
  C2,
  CO1,
  CO2,
  VECIN,
  VECOUT,
  VECCALC,
  LCM = VECCALC,
  SPM,
  SHM = SPM,
  TSCM,
  C2PIPE2GM,
  C2PIPE2LOCAL,
  MAX
};
using QuePosition = TPosition;

enum class RoundMode {
  CAST_NONE = 0,
  CAST_RINT,
  CAST_FLOOR,
  CAST_CEIL,
  CAST_ROUND,
  CAST_TRUNC,
  CAST_ODD
};

enum class MaskMode : uint8_t { NORMAL = 0, COUNTER };
enum class CMPMODE { LT = 0, GT, EQ, LE, GE, NE };
enum class SELMODE { VSEL_CMPMASK_SPR = 0, VSEL_TENSOR_SCALAR_MODE, VSEL_TENSOR_TENSOR_MODE };
enum class ReduceOrder {
  ORDER_VALUE_INDEX = 0,
  ORDER_INDEX_VALUE,
  ORDER_ONLY_VALUE,
  ORDER_ONLY_INDEX
};
enum class CacheLine : uint64_t { SINGLE_CACHE_LINE = 0, ENTIRE_DATA_CACHE };
enum class DcciDst : uint64_t { CACHELINE_ALL = 0, CACHELINE_UB, CACHELINE_OUT, CACHELINE_ATOMIC };
enum class CacheMode {
  CACHE_MODE_DISABLE = 0,
  CACHE_MODE_NORMAL = 1,
  CACHE_MODE_LAST = 2,
  CACHE_MODE_PERSISTENT = 4
};
enum class CacheRwMode { READ = 1, WRITE = 2, RW = 3 };
enum class FmatrixMode : uint8_t { FMATRIX_LEFT = 0, FMATRIX_RIGHT = 1 };
enum class CO2Layout : uint8_t { NZ = 0, ROW_MAJOR, COLUMN_MAJOR };

struct FixpipeConfig {
  CO2Layout format = CO2Layout::ROW_MAJOR;
  bool isToUB = false;
};
// inline, or the specialisations for them would get internal linkage.
inline constexpr FixpipeConfig CFG_NZ = {CO2Layout::NZ, false};
inline constexpr FixpipeConfig CFG_ROW_MAJOR = {CO2Layout::ROW_MAJOR, false};

template <typename T, typename U>
constexpr bool IsSameType_v = std::is_same_v<T, U>;
template <typename T, typename U>
struct IsSameType {
  static constexpr bool value = std::is_same_v<T, U>;
};

template <typename T>
constexpr ascsim::DType dtype_of() {
  using ascsim::DType;
  if constexpr (std::is_same_v<T, half>)
    return DType::kFp16;
  else if constexpr (std::is_same_v<T, bfloat16_t>)
    return DType::kBf16;
  else if constexpr (std::is_same_v<T, float>)
    return DType::kFp32;
  else if constexpr (std::is_same_v<T, int4b_t>)
    return DType::kInt4;
  else if constexpr (std::is_same_v<T, bool>)
    return DType::kUint8;
  else if constexpr (std::is_same_v<T, double>)
    return DType::kUint64;  // moves only
  else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    return sizeof(T) == 1   ? DType::kInt8
           : sizeof(T) == 2 ? DType::kInt16
           : sizeof(T) == 4 ? DType::kInt32
                            : DType::kInt64;
  } else if constexpr (std::is_integral_v<T>) {
    return sizeof(T) == 1   ? DType::kUint8
           : sizeof(T) == 2 ? DType::kUint16
           : sizeof(T) == 4 ? DType::kUint32
                            : DType::kUint64;
  } else {
    return DType::kNone;
  }
}

constexpr ascsim::Pipe pipe_of(pipe_t pipe) {
  using ascsim::Pipe;
  switch (pipe) {
    case PIPE_S:
      return Pipe::kS;
    case PIPE_V:
      return Pipe::kV;
    case PIPE_M:
      return Pipe::kM;
    case PIPE_MTE1:
      return Pipe::kMte1;
    case PIPE_MTE2:
      return Pipe::kMte2;
    case PIPE_MTE3:
      return Pipe::kMte3;
    case PIPE_FIX:
      return Pipe::kFix;
    default:
      return Pipe::kAll;
  }
}

constexpr ascsim::Memory memory_of(TPosition position) {
  using ascsim::Memory;
  switch (position) {
    case TPosition::GM:
      return Memory::kGm;
    case TPosition::A1:
    case TPosition::B1:
    case TPosition::C1:
    case TPosition::TSCM:
    case TPosition::SHM:
      return Memory::kL1;
    case TPosition::A2:
      return Memory::kL0a;
    case TPosition::B2:
      return Memory::kL0b;
    case TPosition::CO1:
      return Memory::kL0c;
    case TPosition::C2:
      return Memory::kBt;
    case TPosition::C2PIPE2GM:
      return Memory::kFb;
    default:
      return Memory::kUb;
  }
}

}  // namespace AscendC

// Which of the two passes over a kernel source this is.
#if defined(__DAV_C220_CUBE__)
inline constexpr int32_t g_coreType = AscendC::AIC;
#elif defined(__DAV_C220_VEC__)
inline constexpr int32_t g_coreType = AscendC::AIV;
#else
#error "a kernel source is compiled twice: with -D__DAV_C220_CUBE__ and with -D__DAV_C220_VEC__"
#endif
#define ASCEND_IS_AIC constexpr(g_coreType == AscendC::AIC)
#define ASCEND_IS_AIV constexpr(g_coreType == AscendC::AIV)
#define ASCEND_IS_NOT_AIC constexpr(g_coreType != AscendC::AIC)
#define ASCEND_IS_NOT_AIV constexpr(g_coreType != AscendC::AIV)
