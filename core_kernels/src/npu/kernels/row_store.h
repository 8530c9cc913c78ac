#pragma once

// UB to GM: rows of a task, whose tensors have any strides.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/row_copy.h"
#include "npu/kernels/schedule.h"

namespace fa::npu {

// Stores rows of UB, `pitch_blocks` blocks each, to a tensor whose rows are (query, head) pairs.
template <typename E>
class RowStore {
 public:
  // `split_stride`: elements from the results of one split to those of the next.
  __aicore__ inline RowStore(const TensorArg& arg, int32_t columns, int64_t split_stride = 0)
      : arg_(arg), columns_(columns), split_stride_(split_stride) {
    gm_.SetGlobalBuffer(reinterpret_cast<__gm__ E*>(arg.address));
  }

  __aicore__ inline bool wanted() const { return arg_.address != 0; }

  // `rows` of the task; the first one is the first of `from`.
  __aicore__ inline void store(const AscendC::LocalTensor<E>& from, const Task& task, Rows rows,
                               int32_t pitch_blocks) const {
    const int32_t size = task.heads.size;
    const int32_t row_elements = pitch_blocks * Arch::kBlockBytes / static_cast<int32_t>(sizeof(E));
    for (int32_t ahead = 0; ahead < lesser(size, rows.count); ++ahead) {
      const int32_t queries = (rows.count - 1 - ahead) / size + 1;
      store_rows(gm_[offset(task, rows.first + ahead)],
                 from[static_cast<uint32_t>(ahead * row_elements)],
                 {queries, columns_, arg_.seq_stride, size * row_elements});
    }
  }

 private:
  __aicore__ inline uint64_t offset(const Task& task, int32_t row) const {
    const PackedRow at = task.heads.row(row);
    const int64_t query = static_cast<int64_t>(task.q.first) + task.first_query + at.q_index;
    return static_cast<uint64_t>(task.split * split_stride_ + task.batch * arg_.batch_stride +
                                 query * arg_.seq_stride + at.q_head * arg_.head_stride);
  }

  TensorArg arg_;
  int32_t columns_;
  int64_t split_stride_;
  AscendC::GlobalTensor<E> gm_;
};

}  // namespace fa::npu
