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
  // Entries of up to few_rows rows: tasks of up to few_heads heads. Which of these share a task
  // changes no result.
  int32_t few_rows = 0;
  int32_t few_heads = 1;
  int32_t splits = 1;  // forward: KV ranges merged by combine; backward: KV ranges with own dq
  int32_t threads = 1;
  int64_t tasks = 0;
  int64_t workspace_bytes = 0;
  // Of the NPU back end.
  const char* kernel = "";                // entry of the kernel object
  int32_t cores = 0;                      // AI cores
  int32_t heads_per_row_group = 1;        // query heads whose rows are beside each other
  int32_t task_order = 0;                 // which tasks come first, see npu::TaskOrder
  int32_t cut_blocks = 0, rest_rows = 0;  // see npu::TaskCut, whose rows are rows_per_task
  // The workspace begins with what kernels find wrong, zeroed; 0: nobody asks, see
  // FLASH_ATTN_NPU_DEBUG.
  int64_t status_bytes = 0;
  // Places in the workspace for the results of splits and for rotated queries.
  int64_t partials_begin = 0, rotated_q_begin = 0;
};

}  // namespace fa
