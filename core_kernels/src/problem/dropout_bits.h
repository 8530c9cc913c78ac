#pragma once

// Dropout decisions from a counter, identical on every back end, so that the backward pass
// regenerates them. A family of 32-bit words from two numbers and a counter, by a multiply-xorshift
// mix (constants: C. Wellons, "Prospecting for hash functions", lowbias32), is used on two levels:
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) makes two
// families per (entry, head); they give each query a family of its own, each of whose words serves
// four keys.
//
// The vector unit of an NPU multiplies, adds and shifts words of 32 bits; it has no xor, but "and"
// and "or" of any bits, and x ^ y = (x | y) - (x & y).

#include <cstdint>

#include "problem/host_device.h"

namespace fa {

inline constexpr uint32_t kDropoutMix1 = 0x7feb352du, kDropoutMix2 = 0x846ca68bu;

struct WordFamily {
  uint32_t add;
  uint32_t multiply;  // doubled plus 1, so that no two counters give the same word
};

FA_HOST_DEVICE uint32_t dropout_unmixed(WordFamily family, uint32_t counter) {
  return counter * (2 * family.multiply + 1) + family.add;
}

FA_HOST_DEVICE uint32_t dropout_word(WordFamily family, uint32_t counter) {
  uint32_t x = dropout_unmixed(family, counter);
  x ^= x >> 16;
  x *= kDropoutMix1;
  x ^= x >> 15;
  x *= kDropoutMix2;
  x ^= x >> 16;
  return x;
}

// Of a query head of a batch entry: what gives each query its family.
struct HeadFamilies {
  WordFamily adds, multipliers;
};

// Philox4x32-10 of counter (head, 0, offset lo, offset hi) under key (seed lo, seed hi); `head`
// counts on over the entries.
FA_HOST_DEVICE HeadFamilies dropout_head(uint64_t seed, uint64_t offset, uint32_t head) {
  uint32_t c0 = head, c1 = 0;
  uint32_t c2 = static_cast<uint32_t>(offset), c3 = static_cast<uint32_t>(offset >> 32);
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
    uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c0, c1}, {c2, c3}};
}

// The bytes of its word n, lowest first, are those of keys 4 n .. 4 n + 3.
FA_HOST_DEVICE WordFamily dropout_row(const HeadFamilies& head, uint32_t query) {
  return {dropout_word(head.adds, query), dropout_word(head.multipliers, query)};
}

// A key is kept while its byte is at most this.
FA_HOST_DEVICE uint32_t dropout_threshold(double p) {
  return static_cast<uint32_t>((1.0 - p) * 255.0);
}

}  // namespace fa
