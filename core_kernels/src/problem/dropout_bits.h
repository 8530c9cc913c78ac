#pragma once

// Dropout decisions from a counter, identical on every back end, so that the backward pass
// regenerates them. One row key per (entry, head, query) from Philox4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011); four keys share one 32-bit word from a
// multiply-xorshift mix of the key block (constants: C. Wellons, "Prospecting for hash functions",
// lowbias32). The mix uses only 32-bit multiply, shift and xor. No NPU kernel has it yet.

#include <cstdint>

#include "problem/host_device.h"

namespace fa {

struct RowKey {
  uint32_t k0;
  uint32_t k1;
};

// Philox4x32-10 of counter (query, head, offset lo, offset hi) under key (seed lo, seed hi).
FA_HOST_DEVICE RowKey dropout_row_key(uint64_t seed, uint64_t offset, uint32_t query,
                                      uint32_t head) {
  uint32_t c0 = query, c1 = head;
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
  return {c0, c1};
}

// Random bytes for keys 4 * block .. 4 * block + 3, lowest byte first.
FA_HOST_DEVICE uint32_t dropout_word(RowKey key, uint32_t block) {
  uint32_t x = block * (key.k1 | 1u) + key.k0;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

// A key is kept while its byte is at most this.
FA_HOST_DEVICE uint32_t dropout_threshold(double p) {
  return static_cast<uint32_t>((1.0 - p) * 255.0);
}

}  // namespace fa
