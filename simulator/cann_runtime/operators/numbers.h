// Element types: their sizes, and their values as double or int64_t.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ascsim::cann {

enum DataType : int {
  kFloat32 = 0,
  kFloat16 = 1,
  kInt8 = 2,
  kInt32 = 3,
  kUint8 = 4,
  kInt16 = 6,
  kInt64 = 9,
  kFloat64 = 11,
  kBool = 12,
  kBfloat16 = 27,
};

// Reads and writes one element. Integers and bool are exact as int64_t, all others as double.
struct Codec {
  const char* name;
  size_t bytes;
  bool integral;
  double (*load_real)(const char*);
  int64_t (*load_int)(const char*);
  void (*store_real)(char*, double);  // rounds to nearest even; to integers, towards zero
  void (*store_int)(char*, int64_t);
};

// Null for types that operators do not compute with.
const Codec* codec_of(int data_type);
// Also of types that are only copied; 0 if unknown.
size_t bytes_of(int data_type);

template <typename Number>
Number load(const Codec& codec, const char* from);
template <>
inline double load(const Codec& codec, const char* from) {
  return codec.load_real(from);
}
template <>
inline int64_t load(const Codec& codec, const char* from) {
  return codec.load_int(from);
}

inline void store(const Codec& codec, char* to, double value) { codec.store_real(to, value); }
inline void store(const Codec& codec, char* to, int64_t value) { codec.store_int(to, value); }
inline void store(const Codec& codec, char* to, bool value) { codec.store_int(to, value ? 1 : 0); }

}  // namespace ascsim::cann
