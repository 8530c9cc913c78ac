#include "problem/metadata.h"

#include <algorithm>
#include <limits>

#include "plan/plan.h"
#include "problem/checks.h"

namespace fa {
namespace {

int32_t window_side(int64_t side) {
  return side < 0 || side > 0x7ffffffe ? -1 : static_cast<int32_t>(side);
}

// For values that have the same meaning from some size on.
int32_t at_most_int32(int64_t value) {
  return static_cast<int32_t>(std::min<int64_t>(value, std::numeric_limits<int32_t>::max()));
}

}  // namespace

Status plan_metadata(const MetadataCall& call, SplitChoice choose, std::vector<int32_t>* metadata) {
  FA_REQUIRE(call.batch >= 0 && call.max_seqlen_q >= 0 && call.max_seqlen_k >= 0,
             "get_scheduler_metadata: got batch_size ", call.batch, ", max_seqlen_q ",
             call.max_seqlen_q, ", max_seqlen_k ", call.max_seqlen_k, ", expected values >= 0");
  FA_REQUIRE(call.kv_heads > 0 && call.q_heads > 0 && call.q_heads % call.kv_heads == 0,
             "num_heads_q: got ", call.q_heads, ", expected a positive multiple of num_heads_kv, ",
             call.kv_heads);
  FA_REQUIRE(call.head_dim >= 1 && call.head_dim <= kMaxHeadDim && call.value_dim >= 1 &&
                 call.value_dim <= kMaxHeadDim,
             "headdim: got ", call.head_dim, " and ", call.value_dim, ", expected 1 to ",
             kMaxHeadDim);
  FA_REQUIRE(call.options.num_splits >= 0 && call.options.num_splits <= kMaxSplits,
             "num_splits: got ", call.options.num_splits, ", expected 0 (automatic) to ",
             kMaxSplits);
  FA_REQUIRE(call.options.sm_margin >= 0, "sm_margin: got ", call.options.sm_margin,
             ", expected >= 0");
  FA_REQUIRE(call.mask.attention_chunk >= 0, "attention_chunk: got ", call.mask.attention_chunk,
             ", expected >= 0");
  int64_t splits = call.options.num_splits;
  if (splits == 0) splits = choose(call);
  int64_t right = call.mask.causal ? 0 : call.mask.window_right;
  *metadata = {MetadataForm::kMagicValue,
               static_cast<int32_t>(call.batch),
               static_cast<int32_t>(call.q_heads),
               static_cast<int32_t>(call.kv_heads),
               static_cast<int32_t>(call.head_dim),
               static_cast<int32_t>(call.value_dim),
               static_cast<int32_t>(call.dtype),
               static_cast<int32_t>(call.page_size),
               call.has_softcap ? 1 : 0,
               window_side(call.mask.window_left),
               window_side(right),
               at_most_int32(call.mask.attention_chunk),
               static_cast<int32_t>(splits),
               call.options.pack_gqa,
               at_most_int32(call.options.sm_margin)};
  return {};
}

}  // namespace fa
