#pragma once

#include <cstdint>
#include <vector>

namespace fa {

// How a problem is cut up. Depends on shapes and host-given numbers only, so that results do not
// depend on the machine's load or (but for deterministic = false) its thread count.
struct Plan {
  const char* backend = "";
  const char* isa = "";
  int32_t rows_per_task = 0;  // packed rows (query, head of a group) that share one pass over K/V
  bool pack_gqa = true;
  int32_t splits = 1;  // forward: KV ranges merged by combine; backward: KV ranges with own dq
  int32_t threads = 1;
  int64_t tasks = 0;
  int64_t workspace_bytes = 0;
};

}  // namespace fa
