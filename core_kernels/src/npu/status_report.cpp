#include "npu/status_report.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "npu/kernel_args.h"

namespace fa::npu {
namespace {

// As in the messages of the host's own checks.
const char* name_of(WrongValue what) {
  switch (what) {
    case WrongValue::kCuSeqlensQ:
      return "cu_seqlens_q";
    case WrongValue::kCuSeqlensK:
      return "cu_seqlens_k";
    case WrongValue::kLengthQ:
      return "cu_seqlens_q, a length";
    case WrongValue::kLengthK:
      return "cu_seqlens_k, a length";
    case WrongValue::kSequsedQ:
      return "seqused_q";
    case WrongValue::kSequsedK:
      return "seqused_k (cache_seqlens)";
    case WrongValue::kPage:
      return "page_table, a page";
    case WrongValue::kLeftpad:
      return "cache_leftpad";
    case WrongValue::kBatchIdx:
      return "cache_batch_idx";
    case WrongValue::kCuSeqlensNew:
      return "cu_seqlens_k_new";
    case WrongValue::kAppended:
      return "k, new tokens behind cache_seqlens";
    case WrongValue::kRotaryPosition:
      return "rotary_cos, a position";
    case WrongValue::kNone:
      break;
  }
  return "an index tensor";
}

}  // namespace

Status status_wanted(bool* wanted) {
  const char* given = std::getenv("FLASH_ATTN_NPU_DEBUG");
  std::string word = given ? given : "";
  FA_REQUIRE(word.empty() || word == "0" || word == "1", "FLASH_ATTN_NPU_DEBUG: got ", word,
             ", expected 0 or 1");
  *wanted = word == "1";
  return {};
}

int64_t status_bytes(int32_t cores) {
  return int64_t{cores} * kStatusLinesPerCore * kStatusLineBytes;
}

Status read_status(const Plan& plan, const void* region) {
  const char* line = static_cast<const char*>(region);
  const char* end = line + plan.status_bytes;
  for (; line < end; line += kStatusLineBytes) {
    std::array<int32_t, 4> words;
    std::memcpy(words.data(), line, sizeof(words));
    if (words[0] == 0) continue;
    return invalid_argument("attention forward: the device found ",
                            name_of(static_cast<WrongValue>(words[0])), ": got ", words[2],
                            " at entry ", words[1], ", expected 0 to ", words[3],
                            " (results of the entry mean nothing)");
  }
  return {};
}

}  // namespace fa::npu
