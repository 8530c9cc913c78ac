#include "plan/metadata.h"

#include "fa/attention.h"
#include "problem/checks.h"

namespace fa {
namespace {

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

constexpr int32_t kMagicValue = 0x46413031;  // "FA01"

constexpr const char* kFieldNames[kFieldCount] = {
    "format",         "batch_size",      "num_heads_q", "num_heads_kv", "headdim",
    "headdim_v",      "qkv_dtype",       "page_size",   "has_softcap",  "window_size[0]",
    "window_size[1]", "attention_chunk", "num_splits",  "pack_gqa",     "sm_margin"};

int32_t window_side(int64_t side) {
  return side < 0 || side > 0x7ffffffe ? -1 : static_cast<int32_t>(side);
}

}  // namespace

Status make_metadata(const MetadataCall& call, std::vector<int32_t>* metadata) {
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
  FA_REQUIRE(call.options.num_splits >= 0 && call.options.num_splits <= 256, "num_splits: got ",
             call.options.num_splits, ", expected 0 (automatic) to 256");
  FA_REQUIRE(call.options.sm_margin >= 0, "sm_margin: got ", call.options.sm_margin,
             ", expected >= 0");
  FA_REQUIRE(call.mask.attention_chunk >= 0, "attention_chunk: got ", call.mask.attention_chunk,
             ", expected >= 0");
  int64_t splits = call.options.num_splits;
  if (splits == 0) {
    splits = choose_splits(call.batch, call.max_seqlen_q, call.max_seqlen_k, call.q_heads,
                           call.kv_heads, call.head_dim, call.value_dim);
  }
  int64_t right = call.mask.causal ? 0 : call.mask.window_right;
  *metadata = {kMagicValue,
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
               static_cast<int32_t>(call.mask.attention_chunk),
               static_cast<int32_t>(splits),
               call.options.pack_gqa,
               static_cast<int32_t>(call.options.sm_margin)};
  return {};
}

Status read_metadata(const TensorView& metadata, ForwardProblem* problem) {
  if (!metadata.defined) return {};
  const Geometry& g = problem->geometry;
  FA_RETURN_IF_ERROR(check_device("scheduler_metadata", metadata, g.device));
  FA_RETURN_IF_ERROR(check_dtype("scheduler_metadata", metadata, {DType::kInt32}));
  FA_RETURN_IF_ERROR(check_shape("scheduler_metadata", metadata, {kFieldCount},
                                 "what get_scheduler_metadata returned"));
  FA_RETURN_IF_ERROR(check_last_stride("scheduler_metadata", metadata));
  const int32_t* values = int32_data(metadata);
  // Only what must agree for the plan to be usable; windows are clamped by lengths, so they are
  // informative.
  int32_t expected[kHasSoftcap + 1] = {kMagicValue,
                                       g.batch,
                                       g.q_heads,
                                       g.kv_heads,
                                       g.head_dim,
                                       g.value_dim,
                                       static_cast<int32_t>(problem->q_dtype),
                                       static_cast<int32_t>(problem->paged.page_size),
                                       g.softcap > 0 ? 1 : 0};
  for (int i = 0; i <= kHasSoftcap; ++i) {
    FA_REQUIRE(values[i] == expected[i], "scheduler_metadata: got ", kFieldNames[i], " ", values[i],
               ", expected ", expected[i], " as in this call");
  }
  PlanOptions& options = problem->options;
  FA_REQUIRE(options.num_splits == 0 || options.num_splits == values[kSplits],
             "scheduler_metadata: got num_splits ", values[kSplits], ", expected ",
             options.num_splits, " as in this call");
  options.num_splits = values[kSplits];
  if (options.pack_gqa < 0) options.pack_gqa = values[kPackGqa];
  if (options.sm_margin == 0) options.sm_margin = values[kSmMargin];
  return {};
}

}  // namespace fa
