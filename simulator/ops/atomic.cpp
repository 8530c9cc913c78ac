// Read-modify-write of GM by moves, as switched on by SetAtomicAdd, SetAtomicMax, SetAtomicMin.
#include <algorithm>
#include <string>
#include <type_traits>

#include "ascsim/numeric.h"
#include "ascsim/report.h"

namespace ascsim {

namespace {

template <typename T>
T sum(T a, T b) {
  if constexpr (std::is_integral_v<T>) {  // wraps (INFERRED: the pages do not say)
    return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  } else {
    return static_cast<T>(a + b);
  }
}

template <typename T>
T combined(AtomicOp op, T a, T b) {
  switch (op) {
    case AtomicOp::kAdd:
      return sum(a, b);
    case AtomicOp::kMax:
      return std::max(a, b);
    case AtomicOp::kMin:
      return std::min(a, b);
    case AtomicOp::kNone:
      break;
  }
  return b;
}

template <typename T>
void combine(AtomicOp op, uint8_t* target, const uint8_t* source, int64_t bytes) {
  for (int64_t at = 0; at + static_cast<int64_t>(sizeof(T)) <= bytes;
       at += static_cast<int64_t>(sizeof(T))) {
    T a, b;
    std::memcpy(&a, target + at, sizeof(T));
    std::memcpy(&b, source + at, sizeof(T));
    a = combined(op, a, b);
    std::memcpy(target + at, &a, sizeof(T));
  }
}

template <float (*widen)(uint16_t), uint16_t (*narrow)(float)>
void combine_narrow(AtomicOp op, uint8_t* target, const uint8_t* source, int64_t bytes) {
  for (int64_t at = 0; at + 2 <= bytes; at += 2) {
    uint16_t a, b;
    std::memcpy(&a, target + at, 2);
    std::memcpy(&b, source + at, 2);
    a = narrow(combined(op, widen(a), widen(b)));
    std::memcpy(target + at, &a, 2);
  }
}

}  // namespace

void combine_atomic(AtomicOp op, DType dtype, uint8_t* target, const uint8_t* source,
                    int64_t bytes) {
  switch (dtype) {
    case DType::kFp16:
      return combine_narrow<from_fp16, to_fp16>(op, target, source, bytes);
    case DType::kFp32:
      return combine<float>(op, target, source, bytes);
    case DType::kBf16:
      return combine_narrow<from_bf16, to_bf16>(op, target, source, bytes);
    case DType::kInt8:
      return combine<int8_t>(op, target, source, bytes);
    case DType::kInt16:
      return combine<int16_t>(op, target, source, bytes);
    case DType::kInt32:
      return combine<int32_t>(op, target, source, bytes);
    default:
      throw SimulatorBug(std::string("atomic on ") + name_of(dtype));
  }
}

}  // namespace ascsim
