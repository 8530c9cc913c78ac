#pragma once

// Query heads that share a KV head. Packed rows put the heads of a group beside each other, query
// by query, so that one pass over K and V serves them all.

#include <cstdint>

#include "problem/host_device.h"
#include "problem/mutation.h"

namespace fa {

struct PackedRow {
  int32_t q_index;
  int32_t q_head;
};

struct HeadGroup {
  int32_t size;  // heads per packed row group: the GQA group, or 1 when not packed
  int32_t kv_head;
  int32_t first_q_head;

  FA_HOST_DEVICE PackedRow row(int64_t packed) const {
    int32_t q_index = static_cast<int32_t>(packed / size);
    int32_t member = static_cast<int32_t>(packed - static_cast<int64_t>(q_index) * size);
    return {q_index, first_q_head + FA_MUTATE("drop_head", member, 0)};
  }
};

}  // namespace fa
