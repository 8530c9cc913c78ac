#pragma once

// Visible keys of a query: causal, sliding window and attention_chunk all reduce to one half-open
// range, because the corner of the mask is aligned to the last query and the last key.

#include <cstdint>

#include "problem/host_device.h"
#include "problem/mutation.h"

namespace fa {

struct KvRange {
  int32_t lo = 0;
  int32_t hi = 0;
};

struct KvRangeMask {
  int64_t window_left;      // negative = open
  int64_t window_right;     // negative = open; causal = 0
  int64_t attention_chunk;  // 0 = off
};

FA_HOST_DEVICE int64_t floor_div(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return quotient * b > a ? quotient - 1 : quotient;
}

FA_HOST_DEVICE KvRange visible_keys(const KvRangeMask& mask, int64_t q_index, int64_t q_len,
                                    int64_t kv_len) {
  int64_t diagonal = q_index + kv_len - q_len;
  int64_t lo = 0;
  int64_t hi = kv_len;
  if (mask.window_left >= 0 && diagonal - mask.window_left > lo) {
    lo = diagonal - FA_MUTATE("window_left_off_by_one", mask.window_left, mask.window_left - 1);
  }
  if (mask.window_right >= 0 && diagonal + mask.window_right + 1 < hi) {
    hi = diagonal + FA_MUTATE("mask_off_by_one", mask.window_right + 1, mask.window_right + 2);
  }
  if (mask.attention_chunk > 0) {
    int64_t first = floor_div(diagonal, mask.attention_chunk) * mask.attention_chunk;
    int64_t end =
        first + FA_MUTATE("chunk_off_by_one", mask.attention_chunk, mask.attention_chunk - 1);
    if (first > lo) lo = first;
    if (end < hi) hi = end;
  }
  if (hi <= lo) return {0, 0};
  return {static_cast<int32_t>(lo), static_cast<int32_t>(hi)};
}

}  // namespace fa
