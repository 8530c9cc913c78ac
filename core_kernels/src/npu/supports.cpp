#include "npu/supports.h"

#include <limits>
#include <string>

#include "npu/forward_plan.h"

namespace fa::npu {
namespace {

using Problem = ForwardProblem;

std::string is_fp8(const Problem& p) {
  return p.q_dtype == DType::kFloat8E4M3 ? dtype_name(p.q_dtype) : "";
}

std::string wrong_dtype(const Problem& p) {
  bool half = p.q_dtype == DType::kFloat16 || p.q_dtype == DType::kBFloat16;
  return half ? "" : dtype_name(p.q_dtype);
}

// Rare work on the scores has kernels of its own, which take these.
bool wide(const Problem& p) { return p.geometry.head_dim > 256 || p.geometry.value_dim > 256; }
std::string dims(const Problem& p) {
  return concat("a value with head dims ", p.geometry.head_dim, " and ", p.geometry.value_dim);
}
std::string wide_alibi(const Problem& p) { return p.geometry.alibi.data && wide(p) ? dims(p) : ""; }
std::string wide_dropout(const Problem& p) {
  return (p.geometry.dropout.p > 0 || has_probs(p)) && wide(p) ? dims(p) : "";
}

std::string wide_qv(const Problem& p) {
  const Geometry& g = p.geometry;
  if (!p.qv.data || score_columns(p) <= kMaxScoreColumns) return "";
  return concat("value dim ", g.value_dim, " with head dim ", g.head_dim);
}

std::string wide_int8(const Problem& p) {
  return p.k.dtype == DType::kInt8 && wide(p) ? concat("int8 and ", dims(p)) : "";
}
std::string int8_qv(const Problem& p) {
  return p.k.dtype == DType::kInt8 && p.qv.data ? "a value with an int8 cache" : "";
}

std::string many_pages(const Problem& p) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const PagedLayout& pages = p.paged;
  bool fits = pages.num_pages <= kMost && pages.max_pages <= kMost && pages.page_size <= kMost;
  return fits ? "" : concat(pages.num_pages, " pages of ", pages.page_size);
}

// What a call has that the kernels do not: the argument, what was passed ("" if it is fine), what
// is supported. A feature that arrives loses its line here, and tests/npu_host its exclusion.
struct Refusal {
  const char* argument;
  std::string (*passed)(const Problem&);
  const char* supported;
};

constexpr Refusal kRefusals[] = {
    {"q", is_fp8, "float16 and bfloat16 (the chip has no 8-bit floating point)"},
    {"q", wrong_dtype, "float16 and bfloat16"},
    {"qv", wide_qv, "dims up to 576 together, each rounded up to a multiple of 16"},
    {"qv", int8_qv, "caches in the dtype of q"},
    {"k", wide_int8, "1 to 256 for keys and for values of an int8 cache"},
    {"page_table", many_pages, "pages that 32 bits can number"},
    {"alibi_slopes", wide_alibi, "1 to 256 for keys and for values"},
    {"dropout_p", wide_dropout, "1 to 256 for keys and for values"},
};

}  // namespace

Status supports_forward(const ForwardProblem& problem) {
  for (const Refusal& refusal : kRefusals) {
    std::string passed = refusal.passed(problem);
    if (passed.empty()) continue;
    return not_supported(refusal.argument, ": got ", passed,
                         ", supported on NPUs: ", refusal.supported);
  }
  return {};
}

}  // namespace fa::npu
