#include "ascsim/types.h"

namespace ascsim {

const char* name_of(CoreKind kind) { return kind == CoreKind::kAic ? "AIC" : "AIV"; }

const char* name_of(Pipe pipe) {
  static constexpr const char* kNames[] = {"S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX", "ALL"};
  return kNames[static_cast<int>(pipe)];
}

const char* name_of(Memory memory) {
  static constexpr const char* kNames[] = {"GM", "UB", "L1", "L0A", "L0B", "L0C", "BT", "FB"};
  return kNames[static_cast<int>(memory)];
}

const char* name_of(DType dtype) {
  static constexpr const char* kNames[] = {"none",   "half",  "bfloat16", "float",  "int4",
                                           "int8",   "uint8", "int16",    "uint16", "int32",
                                           "uint32", "int64", "uint64"};
  return kNames[static_cast<int>(dtype)];
}

}  // namespace ascsim
