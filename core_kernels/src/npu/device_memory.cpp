#include "npu/device_memory.h"

#include <algorithm>
#include <initializer_list>

#include "npu/forward_plan.h"

namespace fa::npu {
namespace {

struct Axis {
  int64_t size;
  int64_t stride;
};

class Memory {
 public:
  void add(const char* name, const void* data, int64_t bytes, bool defined = true) {
    if (!data || bytes <= 0) return;
    buffers_.push_back({name, reinterpret_cast<uint64_t>(data), bytes, defined ? 1 : 0, 0});
  }

  // From the lowest to the highest element of a strided tensor.
  void add_strided(const char* name, const void* data, int element_bytes,
                   std::initializer_list<Axis> axes, bool defined = true) {
    int64_t low = 0, high = 1;
    for (const Axis& axis : axes) {
      if (axis.size == 0) return;
      int64_t reach = (axis.size - 1) * axis.stride;
      (reach < 0 ? low : high) += reach;
    }
    if (!data) return;
    add(name, static_cast<const char*>(data) + low * element_bytes, (high - low) * element_bytes,
        defined);
  }

  std::vector<DeviceBuffer> merged() {
    std::sort(buffers_.begin(), buffers_.end(),
              [](const DeviceBuffer& a, const DeviceBuffer& b) { return a.address < b.address; });
    std::vector<DeviceBuffer> result;
    for (const DeviceBuffer& buffer : buffers_) {
      if (result.empty() || buffer.address >= end_of(result.back())) {
        result.push_back(buffer);
        continue;
      }
      DeviceBuffer& last = result.back();
      uint64_t end = std::max(end_of(last), end_of(buffer));
      last.bytes = static_cast<int64_t>(end - last.address);
      last.defined |= buffer.defined;
    }
    return result;
  }

 private:
  static uint64_t end_of(const DeviceBuffer& buffer) {
    return buffer.address + static_cast<uint64_t>(buffer.bytes);
  }

  std::vector<DeviceBuffer> buffers_;
};

void add_tokens(Memory* memory, const char* name, const TokenView& view, const int64_t (&sizes)[4],
                bool defined = true) {
  memory->add_strided(name, view.data, dtype_size(view.dtype),
                      {{sizes[0], view.row_stride},
                       {sizes[1], view.token_stride},
                       {sizes[2], view.head_stride},
                       {sizes[3], 1}},
                      defined);
}

void add_lengths(Memory* memory, const LengthAddresses& lengths, int64_t batch) {
  constexpr int64_t kBytes = sizeof(int32_t);
  memory->add("cu_seqlens_q", lengths.cu_seqlens_q, (batch + 1) * kBytes);
  memory->add("cu_seqlens_k", lengths.cu_seqlens_k, (batch + 1) * kBytes);
  memory->add("seqused_q", lengths.seqused_q, batch * kBytes);
  memory->add("seqused_k", lengths.seqused_k, batch * kBytes);
  memory->add("cache_leftpad", lengths.leftpad, batch * kBytes);
  memory->add("cache_batch_idx", lengths.batch_idx, batch * kBytes);
  memory->add("cu_seqlens_k_new", lengths.cu_seqlens_k_new, (batch + 1) * kBytes);
  memory->add("rotary_seqlens", lengths.rotary_seqlens, batch * kBytes);
}

void add_tensor(Memory* memory, const char* name, const TensorView& view, bool defined) {
  if (!view.defined) return;
  Axis axes[kMaxRank];
  for (int i = 0; i < kMaxRank; ++i) {
    axes[i] = i < view.rank ? Axis{view.size[i], view.stride[i]} : Axis{1, 0};
  }
  memory->add_strided(name, view.data, dtype_size(view.dtype),
                      {axes[0], axes[1], axes[2], axes[3], axes[4]}, defined);
}

void add_new_tokens(Memory* memory, const ForwardProblem& problem) {
  const Geometry& g = problem.geometry;
  const int64_t rows = problem.lengths.cu_seqlens_k_new ? 1 : g.batch, tokens = problem.new_tokens;
  add_tokens(memory, "k_new", problem.k_new, {rows, tokens, g.kv_heads, g.head_dim});
  add_tokens(memory, "v_new", problem.v_new, {rows, tokens, g.kv_heads, g.value_dim});
  const Rotary& rotary = problem.rotary;
  add_tokens(memory, "rotary_cos", rotary.cos, {1, rotary.positions, 1, rotary.dim / 2});
  add_tokens(memory, "rotary_sin", rotary.sin, {1, rotary.positions, 1, rotary.dim / 2});
}

}  // namespace

std::vector<DeviceBuffer> forward_memory(const ForwardProblem& problem, const Plan& plan,
                                         const void* workspace, Stage stage) {
  const bool combining = stage == Stage::kCombine;
  const Geometry& g = problem.geometry;
  const PagedLayout& pages = problem.paged;
  bool paged = pages.page_table != nullptr;
  int64_t kv_rows = paged ? pages.num_pages : g.kv_rows;
  int64_t kv_tokens = paged ? pages.page_size : g.kv_tokens;
  Memory memory;
  add_tokens(&memory, "q", problem.q, {g.q_rows, g.q_tokens, g.q_heads, g.head_dim});
  add_tokens(&memory, "k", problem.k, {kv_rows, kv_tokens, g.kv_heads, g.head_dim});
  add_tokens(&memory, "v", problem.v, {kv_rows, kv_tokens, g.kv_heads, g.value_dim});
  add_tokens(&memory, "qv", problem.qv, {g.q_rows, g.q_tokens, g.q_heads, g.value_dim});
  add_tokens(&memory, "out", problem.out, {g.q_rows, g.q_tokens, g.q_heads, g.value_dim}, false);
  memory.add_strided("softmax_lse", problem.lse.data, sizeof(float),
                     {{g.q_rows, problem.lse.row_stride},
                      {g.q_heads, problem.lse.head_stride},
                      {g.q_tokens, problem.lse.token_stride}},
                     false);
  if (stage == Stage::kAppend) add_new_tokens(&memory, problem);
  add_tensor(&memory, "out_accum", problem.out_accum, combining);
  add_tensor(&memory, "softmax_lse_accum", problem.lse_accum, combining);
  add_tensor(&memory, "S_dmask", problem.probs, false);
  add_lengths(&memory, problem.lengths, g.batch);
  const SinkValues& sink = g.sink_values;
  memory.add_strided("learnable_sink", sink.data, dtype_size(sink.dtype),
                     {{g.q_heads, sink.stride}});
  memory.add_strided("alibi_slopes", g.alibi.data, sizeof(float),
                     {{g.batch, g.alibi.row_stride}, {g.q_heads, g.alibi.head_stride}});
  const HeadValues* scales[2] = {&problem.k_descale, &problem.v_descale};
  const char* scale_names[2] = {"k_descale", "v_descale"};
  for (int i = 0; i < 2; ++i) {
    memory.add_strided(scale_names[i], scales[i]->data, sizeof(float),
                       {{g.batch, scales[i]->row_stride}, {g.kv_heads, scales[i]->head_stride}});
  }
  if (paged) {
    memory.add_strided("page_table", pages.page_table, sizeof(int32_t),
                       {{g.kv_rows, pages.row_stride}, {pages.max_pages, 1}});
  }
  const char* begin = static_cast<const char*>(workspace);
  int64_t scratch = scratch_begin(plan);
  memory.add("status", begin, plan.status_bytes);
  memory.add("workspace", begin + scratch, plan.partials_begin - scratch, false);
  memory.add("results of splits", begin + plan.partials_begin,
             plan.rotated_q_begin - plan.partials_begin, combining);
  memory.add("rotated queries", begin + plan.rotated_q_begin,
             plan.workspace_bytes - plan.rotated_q_begin, stage != Stage::kAppend);
  return memory.merged();
}

std::vector<DeviceBuffer> combine_memory(const CombineCall& call) {
  Memory memory;
  add_tensor(&memory, "out_partial", call.out_partial, true);
  add_tensor(&memory, "lse_partial", call.lse_partial, true);
  add_tensor(&memory, "out", call.out, false);
  add_tensor(&memory, "lse", call.lse, false);
  return memory.merged();
}

}  // namespace fa::npu
