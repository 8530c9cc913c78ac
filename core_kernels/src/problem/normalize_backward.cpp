#include "problem/checks.h"
#include "problem/entries.h"
#include "problem/normalize.h"

namespace fa {

// A gradient or saved tensor that looks like one of the inputs.
static Status check_like(const char* name, const TensorView& view, const TensorView& like,
                         int64_t last) {
  FA_REQUIRE(view.defined, name, ": got None, expected a tensor");
  FA_RETURN_IF_ERROR(check_device(name, view, like.device));
  FA_RETURN_IF_ERROR(check_dtype(name, view, {like.dtype}));
  bool fits = view.rank == like.rank && view.size[view.rank - 1] == last;
  for (int i = 0; fits && i + 1 < like.rank; ++i) fits = view.size[i] == like.size[i];
  FA_REQUIRE(fits, name, ": got shape ", view.shape(), ", expected that of the input, ",
             like.shape(), ", with ", last, " in the last dimension");
  return check_last_stride(name, view);
}

static Status check_rows(const char* name, const TensorView& view, const Geometry& g, bool packed) {
  FA_RETURN_IF_ERROR(check_device(name, view, g.device));
  FA_RETURN_IF_ERROR(check_dtype(name, view, {DType::kFloat32}));
  return packed ? check_shape(name, view, {g.q_heads, g.q_tokens}, "[Hq, Tq]")
                : check_shape(name, view, {g.q_rows, g.q_heads, g.q_tokens}, "[B, Hq, Sq]");
}

static Status check_softmax_d(const TensorView& view, const Geometry& g, bool packed) {
  if (!view.defined) return {};
  FA_RETURN_IF_ERROR(check_dtype("softmax_d", view, {DType::kFloat32}));
  FA_RETURN_IF_ERROR(
      packed ? check_shape("softmax_d", view, {g.q_heads, kAny}, "[Hq, >= Tq]")
             : check_shape("softmax_d", view, {g.q_rows, g.q_heads, kAny}, "[B, Hq, >= Sq]"));
  FA_REQUIRE(view.size[view.rank - 1] >= g.q_tokens, "softmax_d: got shape ", view.shape(),
             ", expected at least ", g.q_tokens, " tokens");
  return {};
}

static Status set_sink_gradient(const BackwardCall& call, BackwardProblem* problem) {
  if (!call.sink.defined) return {};
  FA_REQUIRE(call.dsink.defined, "dsink: got None, expected fp32 [Hq] with learnable_sink");
  FA_RETURN_IF_ERROR(check_dtype("dsink", call.dsink, {DType::kFloat32}));
  FA_RETURN_IF_ERROR(check_shape("dsink", call.dsink, {problem->geometry.q_heads}, "[Hq]"));
  problem->dsink = static_cast<float*>(call.dsink.data);
  problem->dsink_stride = call.dsink.stride[0];
  return {};
}

static Status check_tensors(const BackwardCall& call, const Geometry& g) {
  bool packed = call.q.rank == 3;
  FA_RETURN_IF_ERROR(check_like("dout", call.dout, call.q, g.value_dim));
  FA_RETURN_IF_ERROR(check_like("out", call.out, call.q, g.value_dim));
  FA_RETURN_IF_ERROR(check_like("dq", call.dq, call.q, g.head_dim));
  FA_RETURN_IF_ERROR(check_like("dk", call.dk, call.k, g.head_dim));
  FA_RETURN_IF_ERROR(check_like("dv", call.dv, call.v, g.value_dim));
  if (call.qv.defined) FA_RETURN_IF_ERROR(check_like("dqv", call.dqv, call.q, g.value_dim));
  FA_RETURN_IF_ERROR(check_rows("softmax_lse", call.lse, g, packed));
  if (call.dlse.defined) FA_RETURN_IF_ERROR(check_rows("dlse", call.dlse, g, packed));
  return check_softmax_d(call.softmax_d, g, packed);
}

Status normalize_backward(const BackwardCall& call, BackwardProblem* problem) {
  Geometry& g = problem->geometry;
  if (call.q.dtype == DType::kFloat8E4M3) {
    return not_supported(
        "q: got float8_e4m3fn in backward, supported are float16, bfloat16 and "
        "float32");
  }
  SharedCall shared = {call.q,    call.k,         call.v,       call.qv,   call.alibi_slopes,
                       call.sink, call.rng_state, call.lengths, call.mask, call.score,
                       call.api,  false,          false};
  FA_RETURN_IF_ERROR(shared_shapes(shared, &g));
  FA_RETURN_IF_ERROR(shared_semantics(shared, &g));
  FA_REQUIRE(call.lengths.cu_seqlens_k.defined || g.kv_rows == g.batch, "k: got batch ", g.kv_rows,
             ", expected ", g.batch);
  FA_RETURN_IF_ERROR(check_tensors(call, g));
  FA_RETURN_IF_ERROR(set_sink_gradient(call, problem));
  FA_RETURN_IF_ERROR(backward_entries(call, &g));
  FA_REQUIRE(call.options.sm_margin >= 0, "sm_margin: got ", call.options.sm_margin,
             ", expected >= 0");
  problem->q = token_view(call.q);
  problem->k = token_view(call.k);
  problem->v = token_view(call.v);
  problem->qv = token_view(call.qv);
  problem->out = token_view(call.out);
  problem->dout = token_view(call.dout);
  problem->dq = token_view(call.dq);
  problem->dk = token_view(call.dk);
  problem->dv = token_view(call.dv);
  problem->dqv = token_view(call.dqv);
  problem->lse = row_view(call.lse);
  problem->dlse = row_view(call.dlse);
  problem->softmax_d = row_view(call.softmax_d);
  problem->options = call.options;
  return {};
}

}  // namespace fa
