#pragma once

// How the queries of a sequence are cut into the blocks of tasks.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

class QueryBlocks {
 public:
  // `heads`: of a query, whose rows are beside each other.
  __aicore__ inline QueryBlocks(const TaskCut& cut, int32_t heads)
      : size_(cut.rows / heads), blocks_(cut.blocks), rest_size_(cut.rest_rows / heads) {}

  // Queries of a block, if the sequence has that many.
  __aicore__ inline int32_t size(int32_t block) const {
    return block < blocks_ ? size_ : rest_size_;
  }

  __aicore__ inline int32_t first(int32_t block) const {
    return lesser(block, blocks_) * size_ + greater(0, block - blocks_) * rest_size_;
  }

  // Of a sequence of `queries`.
  __aicore__ inline int32_t count(int32_t queries) const {
    const int32_t rest = greater(0, queries - blocks_ * size_);
    const int32_t all = (lesser(queries, blocks_ * size_) + size_ - 1) / size_;
    return all + (rest + rest_size_ - 1) / rest_size_;
  }

 private:
  int32_t size_, blocks_, rest_size_;
};

}  // namespace fa::npu
