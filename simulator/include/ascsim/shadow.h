// One bit per byte of a memory: has anything written it?
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ascsim {

class Shadow {
 public:
  Shadow() = default;  // off: everything counts as written
  Shadow(int64_t bytes, bool defined);

  bool on() const { return !words_.empty(); }
  void set(int64_t begin, int64_t length, bool defined);
  // First undefined byte in [begin, begin + length), or -1.
  int64_t first_undefined(int64_t begin, int64_t length) const;
  bool defined(int64_t byte) const {
    return !on() || ((words_[static_cast<size_t>(byte >> 6)] >> (byte & 63)) & 1) != 0;
  }
  // Copies the bits of `length` bytes; a shadow that is off counts as defined.
  static void copy(Shadow& to, int64_t to_begin, const Shadow& from, int64_t from_begin,
                   int64_t length);

 private:
  uint64_t load(int64_t bit, int count) const;
  std::vector<uint64_t> words_;
};

}  // namespace ascsim
