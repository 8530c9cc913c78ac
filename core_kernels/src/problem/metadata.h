#pragma once

// v3 scheduler metadata: a plan as int32 values that outlives the call and may be cloned. Its form
// and its reading; src/plan/metadata.cpp makes it.

#include <cstdint>

#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

// Places of the values.
struct MetadataForm {
  enum Field {
    kMagic,
    kBatch,
    kQHeads,
    kKvHeads,
    kHeadDim,
    kValueDim,
    kDType,
    kPageSize,
    kHasSoftcap,
    kWindowLeft,
    kWindowRight,
    kAttentionChunk,
    kSplits,
    kPackGqa,
    kSmMargin,
    kFieldCount
  };
  static constexpr int32_t kMagicValue = 0x46413031;  // "FA01"
};

// Applies call metadata (if any) to problem->options, after checking that it fits the problem.
Status read_metadata(const TensorView& view, ForwardProblem* problem);

}  // namespace fa
