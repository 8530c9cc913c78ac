#include "problem/metadata.h"

#include <limits>

#include "problem/checks.h"

namespace fa {

static constexpr const char* kFieldNames[MetadataForm::kFieldCount] = {
    "format",         "batch_size",      "num_heads_q", "num_heads_kv", "headdim",
    "headdim_v",      "qkv_dtype",       "page_size",   "has_softcap",  "window_size[0]",
    "window_size[1]", "attention_chunk", "num_splits",  "pack_gqa",     "sm_margin"};

struct Range {
  int32_t low, high;
};
static constexpr int32_t kAnySize = std::numeric_limits<int32_t>::max();
// Of the fields from kWindowLeft on.
static constexpr Range kRanges[MetadataForm::kFieldCount - MetadataForm::kWindowLeft] = {
    {-1, kAnySize}, {-1, kAnySize}, {0, kAnySize}, {0, kMaxSplits}, {-1, 1}, {0, kAnySize}};

Status read_metadata(const TensorView& view, ForwardProblem* problem) {
  if (!view.defined) return {};
  const Geometry& g = problem->geometry;
  FA_RETURN_IF_ERROR(check_device("scheduler_metadata", view, g.device));
  FA_RETURN_IF_ERROR(check_dtype("scheduler_metadata", view, {DType::kInt32}));
  FA_RETURN_IF_ERROR(check_shape("scheduler_metadata", view, {MetadataForm::kFieldCount},
                                 "what get_scheduler_metadata returned"));
  FA_RETURN_IF_ERROR(check_last_stride("scheduler_metadata", view));
  // Its values on a device stay unread: they only repeat what the plan concludes from the call.
  if (g.device != Device::kCpu) return {};
  const int32_t* values = int32_data(view);
  // Only what must agree for the plan to be usable; windows are clamped by lengths, so they are
  // informative. The user owns the tensor: whatever is in it is checked like an argument.
  int32_t expected[MetadataForm::kHasSoftcap + 1] = {MetadataForm::kMagicValue,
                                                     g.batch,
                                                     g.q_heads,
                                                     g.kv_heads,
                                                     g.head_dim,
                                                     g.value_dim,
                                                     static_cast<int32_t>(problem->q_dtype),
                                                     static_cast<int32_t>(problem->paged.page_size),
                                                     g.softcap > 0 ? 1 : 0};
  for (int i = 0; i <= MetadataForm::kHasSoftcap; ++i) {
    FA_REQUIRE(values[i] == expected[i], "scheduler_metadata: got ", kFieldNames[i], " ", values[i],
               ", expected ", expected[i], " as in this call");
  }
  for (int i = MetadataForm::kWindowLeft; i < MetadataForm::kFieldCount; ++i) {
    const Range& range = kRanges[i - MetadataForm::kWindowLeft];
    FA_REQUIRE(values[i] >= range.low && values[i] <= range.high, "scheduler_metadata: got ",
               kFieldNames[i], " ", values[i], ", expected ", range.low, " to ", range.high);
  }
  PlanOptions& options = problem->options;
  FA_REQUIRE(options.num_splits == 0 || options.num_splits == values[MetadataForm::kSplits],
             "scheduler_metadata: got num_splits ", values[MetadataForm::kSplits], ", expected ",
             options.num_splits, " as in this call");
  options.num_splits = values[MetadataForm::kSplits];
  if (options.pack_gqa < 0) options.pack_gqa = values[MetadataForm::kPackGqa];
  if (options.sm_margin == 0) options.sm_margin = values[MetadataForm::kSmMargin];
  return {};
}

}  // namespace fa
