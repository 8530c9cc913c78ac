#pragma once

// UB to GM: rows of a task, whose tensors have any strides.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/ub_buffers.h"
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
      copy(from[static_cast<uint32_t>(ahead * row_elements)], gm_[offset(task, rows.first + ahead)],
           queries, size * pitch_blocks - used_blocks(), size * row_elements);
    }
  }

 private:
  __aicore__ inline int32_t used_blocks() const {
    constexpr int32_t kPerBlock = Arch::kBlockBytes / static_cast<int32_t>(sizeof(E));
    return (columns_ + kPerBlock - 1) / kPerBlock;
  }

  __aicore__ inline uint64_t offset(const Task& task, int32_t row) const {
    const PackedRow at = task.heads.row(row);
    const int64_t query = static_cast<int64_t>(task.q.first) + task.first_query + at.q_index;
    return static_cast<uint64_t>(task.split * split_stride_ + task.batch * arg_.batch_stride +
                                 query * arg_.seq_stride + at.q_head * arg_.head_stride);
  }

  // Rows of one head: one copy if the distance between queries fits its field.
  __aicore__ inline void copy(const AscendC::LocalTensor<E>& from,
                              const AscendC::GlobalTensor<E>& to, int32_t queries,
                              int32_t gap_blocks, int32_t step_elements) const {
    const int64_t gap = (arg_.seq_stride - columns_) * static_cast<int64_t>(sizeof(E));
    const bool one_copy = queries == 1 || (gap >= 0 && gap <= UINT32_MAX);
    AscendC::DataCopyExtParams params;
    params.blockLen = static_cast<uint32_t>(columns_) * sizeof(E);
    params.blockCount = static_cast<uint16_t>(one_copy ? queries : 1);
    params.srcStride = static_cast<uint32_t>(one_copy && queries > 1 ? gap_blocks : 0);
    params.dstStride = static_cast<uint32_t>(one_copy && queries > 1 ? gap : 0);
    if (one_copy) return AscendC::DataCopyPad(to, from, params);
    for (int32_t query = 0; query < queries; ++query) {
      AscendC::DataCopyPad(to[static_cast<uint64_t>(query * arg_.seq_stride)],
                           from[static_cast<uint32_t>(query * step_elements)], params);
    }
  }

  TensorArg arg_;
  int32_t columns_;
  int64_t split_stride_;
  AscendC::GlobalTensor<E> gm_;
};

}  // namespace fa::npu
