// The native module `_C` of both wheels; `_C.pyi` is its documented contract.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "fa/attention.h"
#include "fa/version.h"
#include "from_python.h"
#include "layers.h"
#include "npu_call.h"
#include "plain_call.h"
#include "status_to_exception.h"
#include "task_queue.h"

namespace py = pybind11;
using fa::bindings::check;
using fa::bindings::data_of;
using fa::bindings::NpuRoom;
using fa::bindings::view_of;
using py::handle;

namespace {

// Workspace of one call in host memory.
struct HostRoom {
  py::object workspace;
  fa::Execution execution;

  HostRoom(const py::object& allocate, const fa::Plan& plan) {
    if (plan.workspace_bytes == 0) return;
    workspace = allocate(plan.workspace_bytes);
    execution.workspace = data_of(workspace);
  }
};

// The core works without the GIL.
void run(const fa::ForwardProblem& problem, const fa::Plan& plan, const fa::Execution& execution) {
  fa::Status status;
  {
    py::gil_scoped_release unlocked;
    status = fa::run_forward(problem, plan, execution);
  }
  check(status);
}

void forward(handle q, handle k, handle v, handle qv, handle out, handle lse, handle probs,
             handle rng_state, handle cu_seqlens_q, handle cu_seqlens_k, handle seqused_q,
             handle seqused_k, handle leftpad_k, handle kv_batch_idx, handle page_table,
             handle alibi_slopes, handle learnable_sink, handle q_descale, handle k_descale,
             handle v_descale, handle k_new, handle v_new, handle cu_seqlens_k_new,
             handle rotary_cos, handle rotary_sin, handle rotary_seqlens, handle scheduler_metadata,
             handle out_accum, handle lse_accum, double softmax_scale, bool causal,
             int64_t window_left, int64_t window_right, int64_t attention_chunk, double softcap,
             double dropout_p, int64_t max_seqlen_q, int64_t max_seqlen_k, bool rotary_interleaved,
             int64_t num_splits, int pack_gqa, int64_t sm_margin, int api, int threads,
             const py::object& allocate) {
  fa::ForwardCall call;
  call.q = view_of("q", q);
  call.k = view_of("k", k);
  call.v = view_of("v", v);
  call.qv = view_of("qv", qv);
  call.out = view_of("out", out);
  call.lse = view_of("softmax_lse", lse);
  call.probs = view_of("S_dmask", probs);
  call.rng_state = view_of("rng_state", rng_state);
  call.lengths.cu_seqlens_q = view_of("cu_seqlens_q", cu_seqlens_q);
  call.lengths.cu_seqlens_k = view_of("cu_seqlens_k", cu_seqlens_k);
  call.lengths.seqused_q = view_of("seqused_q", seqused_q);
  call.lengths.seqused_k = view_of("seqused_k", seqused_k);
  call.lengths.max_seqlen_q = max_seqlen_q;
  call.lengths.max_seqlen_k = max_seqlen_k;
  call.cache.leftpad = view_of("cache_leftpad", leftpad_k);
  call.cache.batch_idx = view_of("cache_batch_idx", kv_batch_idx);
  call.cache.page_table = view_of("page_table", page_table);
  call.cache.metadata = view_of("scheduler_metadata", scheduler_metadata);
  call.cache.k_new = view_of("k", k_new);
  call.cache.v_new = view_of("v", v_new);
  call.cache.cu_seqlens_k_new = view_of("cu_seqlens_k_new", cu_seqlens_k_new);
  call.cache.rotary_cos = view_of("rotary_cos", rotary_cos);
  call.cache.rotary_sin = view_of("rotary_sin", rotary_sin);
  call.cache.rotary_seqlens = view_of("rotary_seqlens", rotary_seqlens);
  call.cache.rotary_interleaved = rotary_interleaved;
  call.alibi_slopes = view_of("alibi_slopes", alibi_slopes);
  call.sink = view_of("learnable_sink", learnable_sink);
  call.q_descale = view_of("q_descale", q_descale);
  call.k_descale = view_of("k_descale", k_descale);
  call.v_descale = view_of("v_descale", v_descale);
  call.out_accum = view_of("out_accum", out_accum);
  call.lse_accum = view_of("lse_accum", lse_accum);
  call.mask = {causal, window_left, window_right, attention_chunk};
  call.score = {softmax_scale, softcap, dropout_p};
  call.options = {num_splits, pack_gqa, sm_margin, threads, true};
  call.api = static_cast<fa::Api>(api);
  fa::ForwardProblem problem;
  fa::Plan plan;
  check(fa::prepare_forward(call, &problem, &plan));
  if (plan.cores > 0) {
    NpuRoom room(q, plan);
    run(problem, plan, room.execution());
    room.check_status(plan);
  } else {
    run(problem, plan, HostRoom(allocate, plan).execution);
  }
  fa::bindings::last_plan() = plan;
}

void backward(handle dout, handle q, handle k, handle v, handle qv, handle out, handle lse,
              handle dlse, handle dq, handle dk, handle dv, handle dqv, handle dsink,
              handle softmax_d, handle rng_state, handle cu_seqlens_q, handle cu_seqlens_k,
              handle seqused_q, handle seqused_k, handle alibi_slopes, handle learnable_sink,
              double softmax_scale, bool causal, int64_t window_left, int64_t window_right,
              int64_t attention_chunk, double softcap, double dropout_p, int64_t max_seqlen_q,
              int64_t max_seqlen_k, bool deterministic, int64_t sm_margin, int api, int threads,
              const py::object& allocate) {
  fa::BackwardCall call;
  call.dout = view_of("dout", dout);
  call.q = view_of("q", q);
  call.k = view_of("k", k);
  call.v = view_of("v", v);
  call.qv = view_of("qv", qv);
  call.out = view_of("out", out);
  call.lse = view_of("softmax_lse", lse);
  call.dlse = view_of("dlse", dlse);
  call.dq = view_of("dq", dq);
  call.dk = view_of("dk", dk);
  call.dv = view_of("dv", dv);
  call.dqv = view_of("dqv", dqv);
  call.dsink = view_of("dsink", dsink);
  call.softmax_d = view_of("softmax_d", softmax_d);
  call.rng_state = view_of("rng_state", rng_state);
  call.lengths.cu_seqlens_q = view_of("cu_seqlens_q", cu_seqlens_q);
  call.lengths.cu_seqlens_k = view_of("cu_seqlens_k", cu_seqlens_k);
  call.lengths.seqused_q = view_of("seqused_q", seqused_q);
  call.lengths.seqused_k = view_of("seqused_k", seqused_k);
  call.lengths.max_seqlen_q = max_seqlen_q;
  call.lengths.max_seqlen_k = max_seqlen_k;
  call.alibi_slopes = view_of("alibi_slopes", alibi_slopes);
  call.sink = view_of("learnable_sink", learnable_sink);
  call.mask = {causal, window_left, window_right, attention_chunk};
  call.score = {softmax_scale, softcap, dropout_p};
  call.options = {1, -1, sm_margin, threads, deterministic};
  call.api = static_cast<fa::Api>(api);
  fa::BackwardProblem problem;
  fa::Plan plan;
  check(fa::prepare_backward(call, &problem, &plan));
  HostRoom room(allocate, plan);
  fa::Status status;
  {
    py::gil_scoped_release unlocked;
    status = fa::run_backward(problem, plan, room.execution);
  }
  check(status);
  fa::bindings::last_plan() = plan;
}

void combine(handle out_partial, handle lse_partial, handle out, handle lse, int api, int threads) {
  fa::CombineCall call;
  call.out_partial = view_of("out_partial", out_partial);
  call.lse_partial = view_of("lse_partial", lse_partial);
  call.out = view_of("out", out);
  call.lse = view_of("lse", lse);
  call.api = static_cast<fa::Api>(api);
  call.threads = threads;
  NpuRoom room(out_partial, fa::Plan{});
  fa::Status status;
  {
    py::gil_scoped_release unlocked;
    status = fa::combine(call, room.execution());
  }
  check(status);
}

fa::DType dtype_from_name(const std::string& name) {
  for (fa::DType dtype :
       {fa::DType::kFloat32, fa::DType::kFloat16, fa::DType::kBFloat16, fa::DType::kFloat8E4M3}) {
    if (name == fa::dtype_name(dtype)) return dtype;
  }
  check(fa::invalid_argument("qkv_dtype: got ", name,
                             ", expected float32, float16, bfloat16 or float8_e4m3fn"));
  return fa::DType::kOther;
}

std::vector<int32_t> scheduler_metadata(int64_t batch, int64_t max_seqlen_q, int64_t max_seqlen_k,
                                        int64_t q_heads, int64_t kv_heads, int64_t head_dim,
                                        int64_t value_dim, const std::string& dtype_name,
                                        int64_t page_size, bool causal, int64_t window_left,
                                        int64_t window_right, int64_t attention_chunk,
                                        bool has_softcap, int64_t num_splits, int pack_gqa,
                                        int64_t sm_margin, bool on_npu) {
  fa::MetadataCall call = {batch,        max_seqlen_q,
                           max_seqlen_k, q_heads,
                           kv_heads,     head_dim,
                           value_dim,    dtype_from_name(dtype_name),
                           page_size,    {causal, window_left, window_right, attention_chunk},
                           has_softcap,  {num_splits, pack_gqa, sm_margin, 1, true}};
  if (on_npu) call.device = fa::Device::kNpu;
  std::vector<int32_t> metadata;
  check(fa::make_metadata(call, &metadata));
  return metadata;
}

py::dict last_plan_as_dict() {
  const fa::Plan& last_plan = fa::bindings::last_plan();
  py::dict plan;
  plan["backend"] = last_plan.backend;
  plan["isa"] = last_plan.isa;
  plan["splits"] = last_plan.splits;
  plan["rows_per_task"] = last_plan.rows_per_task;
  plan["cut_blocks"] = last_plan.cut_blocks;
  plan["rest_rows"] = last_plan.rest_rows;
  plan["pack_gqa"] = last_plan.pack_gqa;
  plan["threads"] = last_plan.threads;
  plan["tasks"] = last_plan.tasks;
  plan["workspace_bytes"] = last_plan.workspace_bytes;
  plan["kernel"] = last_plan.kernel;
  plan["cores"] = last_plan.cores;
  plan["heads_per_row_group"] = last_plan.heads_per_row_group;
  return plan;
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  m.attr("CORE_VERSION") = fa::kCoreVersion;
  m.attr("ABI_VERSION") = fa::kAbiVersion;
  m.def("set_exceptions", &fa::bindings::set_exceptions);
  m.def("set_npu_hooks", &fa::bindings::set_npu_hooks);
  fa::bindings::define_plain_call(m);
  m.def("backends", &fa::backend_states);
  m.def("npu", &fa::npu_report);
  m.def("task_queue", &fa::bindings::task_queue_state);
  m.def("forward", &forward);
  m.def("backward", &backward);
  m.def("combine", &combine);
  fa::bindings::define_layers(m);
  m.def("num_splits", &fa::choose_splits);
  m.def("scheduler_metadata", &scheduler_metadata);
  m.def("last_plan", &last_plan_as_dict);
  m.def("isa", &fa::cpu_isa);
  m.def("isas", &fa::cpu_isas);
  m.def("set_isa", [](const std::string& name) { check(fa::set_cpu_isa(name)); });
  m.def("mutant", &fa::mutant_name);
}
