#pragma once

// Which dimensions of a head rotate together: (2i, 2i + 1) when interleaved, else (i, i + dim / 2).

#include <cstdint>

#include "problem/host_device.h"

namespace fa {

struct RotaryPair {
  int32_t first;
  int32_t second;
};

FA_HOST_DEVICE RotaryPair rotary_pair(int32_t pair, int32_t rotary_dim, bool interleaved) {
  if (interleaved) return {2 * pair, 2 * pair + 1};
  return {pair, pair + rotary_dim / 2};
}

}  // namespace fa
