#include "ascsim/shadow.h"

#include <algorithm>

namespace ascsim {

namespace {

constexpr uint64_t low_bits(int64_t count) {
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

}  // namespace

Shadow::Shadow(int64_t bytes, bool defined)
    : words_(static_cast<size_t>(bytes / 64 + 2), defined ? ~uint64_t{0} : 0) {}

void Shadow::set(int64_t begin, int64_t length, bool defined) {
  if (!on() || length <= 0) return;
  int64_t bit = begin;
  const int64_t end = begin + length;
  while (bit < end) {
    const int64_t offset = bit & 63;
    const int64_t count = std::min<int64_t>(64 - offset, end - bit);
    const uint64_t mask = low_bits(count) << offset;
    uint64_t& word = words_[static_cast<size_t>(bit >> 6)];
    word = defined ? word | mask : word & ~mask;
    bit += count;
  }
}

int64_t Shadow::first_undefined(int64_t begin, int64_t length) const {
  if (!on()) return -1;
  int64_t bit = begin;
  const int64_t end = begin + length;
  while (bit < end) {
    const int64_t offset = bit & 63;
    const int64_t count = std::min<int64_t>(64 - offset, end - bit);
    const uint64_t missing = ~words_[static_cast<size_t>(bit >> 6)] & (low_bits(count) << offset);
    if (missing != 0) return (bit & ~int64_t{63}) + __builtin_ctzll(missing);
    bit += count;
  }
  return -1;
}

uint64_t Shadow::load(int64_t bit, int count) const {
  const size_t word = static_cast<size_t>(bit >> 6);
  const int64_t offset = bit & 63;
  uint64_t value = words_[word] >> offset;
  if (offset != 0) value |= words_[word + 1] << (64 - offset);
  return value & low_bits(count);
}

void Shadow::copy(Shadow& to, int64_t to_begin, const Shadow& from, int64_t from_begin,
                  int64_t length) {
  if (!to.on()) return;
  if (!from.on()) {
    to.set(to_begin, length, true);
    return;
  }
  int64_t done = 0;
  while (done < length) {
    const int64_t bit = to_begin + done;
    const int64_t offset = bit & 63;
    const int count = static_cast<int>(std::min<int64_t>(64 - offset, length - done));
    uint64_t& word = to.words_[static_cast<size_t>(bit >> 6)];
    word = (word & ~(low_bits(count) << offset)) | (from.load(from_begin + done, count) << offset);
    done += count;
  }
}

}  // namespace ascsim
