#pragma once

// Lengths and first tokens of the sequences of a batch, read on the device. Values out of range are
// clamped, so that nothing outside of the tensors is ever addressed.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/status.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

struct Sequence {
  int32_t first = 0;  // token of a packed tensor, or of a cache behind its padding; else 0
  int32_t length = 0;
  int32_t capacity = 0;  // tokens that the tensor gives it, used or not
  int32_t row = 0;       // of a padded tensor, a cache or a page table
};

// What is reported of one side of the problem.
struct WrongLengths {
  WrongValue start, length, used;
};

inline constexpr WrongLengths kWrongQueries = {WrongValue::kCuSeqlensQ, WrongValue::kLengthQ,
                                               WrongValue::kSequsedQ};
inline constexpr WrongLengths kWrongKeys = {WrongValue::kCuSeqlensK, WrongValue::kLengthK,
                                            WrongValue::kSequsedK};

class SequenceTable {
 public:
  __aicore__ inline SequenceTable(const LengthArgs& args, uint64_t status, WrongLengths wrong)
      : args_(args), status_(status), wrong_(wrong) {
    starts_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.cu_seqlens));
    used_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.seqused));
  }

  __aicore__ inline Sequence at(int32_t batch) const {
    Sequence sequence{0, args_.limit, args_.limit, batch};
    if (args_.cu_seqlens != 0) {
      sequence.first = status_.checked(wrong_.start, batch, starts_.GetValue(batch), args_.tokens);
      const int32_t end =
          status_.checked(wrong_.start, batch, starts_.GetValue(batch + 1), args_.tokens);
      sequence.capacity = greater(0, end - sequence.first);
      sequence.length = status_.checked(wrong_.length, batch, end - sequence.first, args_.limit);
    }
    if (args_.seqused != 0) {
      sequence.length = status_.checked(wrong_.used, batch, used_.GetValue(batch), sequence.length);
    }
    return sequence;
  }

 private:
  LengthArgs args_;
  StatusLine status_;
  WrongLengths wrong_;
  AscendC::GlobalTensor<int32_t> starts_, used_;
};

// The new tokens of each sequence.
class NewTokens {
 public:
  __aicore__ inline NewTokens(const CacheArgs& args, const StatusLine& status)
      : args_(args), status_(status) {
    starts_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.cu_seqlens_new));
  }

  __aicore__ inline Sequence at(int32_t batch) const {
    Sequence tokens{0, args_.new_limit, args_.new_limit, batch};
    if (args_.cu_seqlens_new == 0) return tokens;
    tokens.first = start(batch);
    tokens.length = greater(0, start(batch + 1) - tokens.first);
    return tokens;
  }

 private:
  __aicore__ inline int32_t start(int32_t batch) const {
    return status_.checked(WrongValue::kCuSeqlensNew, batch,
                           starts_.GetValue(static_cast<uint64_t>(batch)), args_.new_limit);
  }

  CacheArgs args_;
  StatusLine status_;
  AscendC::GlobalTensor<int32_t> starts_;
};

// The keys of each sequence.
class KeyTable {
 public:
  __aicore__ inline explicit KeyTable(const ForwardArgs& args)
      : lengths_(args.kv_lengths, args.status, kWrongKeys),
        cache_(args.cache),
        paged_(args.pages.table != 0),
        status_(args.status),
        new_tokens_(args.cache, status_) {
    leftpad_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(cache_.leftpad));
    rows_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(cache_.batch_idx));
  }

  __aicore__ inline Sequence at(int32_t batch) const {
    Sequence keys = lengths_.at(batch);
    if (paged_) keys.first = 0;  // tokens of pages have no common numbering
    if (cache_.batch_idx != 0) {
      keys.row =
          status_.checked(WrongValue::kBatchIdx, batch, rows_.GetValue(batch), cache_.rows - 1);
    }
    if (cache_.new_limit != 0) {
      const int32_t total = keys.length + new_tokens_.at(batch).length;
      keys.length = status_.checked(WrongValue::kAppended, batch, total, cache_.capacity);
    }
    if (cache_.leftpad != 0) {
      const int32_t pad =
          status_.checked(WrongValue::kLeftpad, batch, leftpad_.GetValue(batch), keys.length);
      keys.first += pad;
      keys.length -= pad;
    }
    return keys;
  }

 private:
  SequenceTable lengths_;
  CacheArgs cache_;
  bool paged_;
  StatusLine status_;
  NewTokens new_tokens_;
  AscendC::GlobalTensor<int32_t> leftpad_, rows_;
};

}  // namespace fa::npu
