// Words that the front (what kernels include) and the machine share.
#pragma once

#include <cstdint>

namespace ascsim {

enum class CoreKind : uint8_t { kAic, kAiv };

// Instruction queues of a core. kAll only names a barrier.
enum class Pipe : uint8_t { kS, kV, kM, kMte1, kMte2, kMte3, kFix, kAll };
inline constexpr int kPipes = 7;

enum class Memory : uint8_t { kGm, kUb, kL1, kL0a, kL0b, kL0c, kBt, kFb };
inline constexpr int kLocalMemories = 7;  // all but kGm, which is no core's own

enum class DType : uint8_t {
  kNone,
  kFp16,
  kBf16,
  kFp32,
  kInt4,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64
};

constexpr int bits_of(DType dtype) {
  switch (dtype) {
    case DType::kNone:
      return 0;
    case DType::kInt4:
      return 4;
    case DType::kInt8:
    case DType::kUint8:
      return 8;
    case DType::kFp16:
    case DType::kBf16:
    case DType::kInt16:
    case DType::kUint16:
      return 16;
    case DType::kFp32:
    case DType::kInt32:
    case DType::kUint32:
      return 32;
    case DType::kInt64:
    case DType::kUint64:
      return 64;
  }
  return 0;
}

constexpr int64_t bytes_of(DType dtype, int64_t elements) { return elements * bits_of(dtype) / 8; }

constexpr bool is_floating(DType dtype) {
  return dtype == DType::kFp16 || dtype == DType::kBf16 || dtype == DType::kFp32;
}

const char* name_of(CoreKind kind);
const char* name_of(Pipe pipe);
const char* name_of(Memory memory);
const char* name_of(DType dtype);

inline constexpr int64_t kBlockBytes = 32;     // unit of UB and L1 addressing
inline constexpr int64_t kFractalBytes = 512;  // 16 rows x 32 bytes
inline constexpr int64_t kRepeatBytes = 256;   // what one repeat of a vector instruction covers

// Line of the kernel that issued something. As a default argument it is the caller's line.
struct Site {
  const char* file = "";
  int line = 0;

  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

// Where an operand starts. `address` is a byte offset in a local memory, in GM a host address.
struct Operand {
  Memory memory = Memory::kUb;
  DType dtype = DType::kNone;
  int32_t buffer = -1;  // GM only: the registered buffer that the pointer belongs to
  uint64_t address = 0;

  Operand plus_bytes(int64_t bytes) const {
    Operand moved = *this;
    moved.address += static_cast<uint64_t>(bytes);
    return moved;
  }
};

}  // namespace ascsim
