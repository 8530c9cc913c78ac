"""Schemas of the operators, without the namespace.

Arguments are ordered by how often calls change them: the dispatcher skips trailing defaults in both
directions, which halves the cost of a plain call. `deterministic` of a forward is for its gradient.
"""

from __future__ import annotations

from .wheel import API

# v2 has no `num_splits` outside of its kvcache function: the plan chooses. v3 splits on demand.
DEFAULT_SPLITS = 0 if API == 2 else 1

FORWARD_DENSE = f"""forward_dense(Tensor q, Tensor k, Tensor v,
  bool causal=False, float? softmax_scale=None, int num_splits={DEFAULT_SPLITS},
  int window_left=-1, int window_right=-1, float softcap=0.0, bool deterministic=False)
  -> (Tensor, Tensor)"""

FORWARD = f"""forward(Tensor q, Tensor k, Tensor v,
  Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None,
  SymInt max_seqlen_q=-1, SymInt max_seqlen_k=-1,
  bool causal=False, float? softmax_scale=None, int num_splits={DEFAULT_SPLITS},
  int window_left=-1, int window_right=-1, float softcap=0.0,
  Tensor? alibi_slopes=None, Tensor? learnable_sink=None, Tensor? qv=None,
  Tensor? seqused_q=None, Tensor? seqused_k=None, Tensor? page_table=None,
  float dropout_p=0.0, Tensor? rng_state=None, bool return_probs=False,
  int attention_chunk=0, Tensor? q_descale=None, Tensor? k_descale=None, Tensor? v_descale=None,
  int pack_gqa=-1, int sm_margin=0, bool deterministic=False) -> (Tensor, Tensor, Tensor)"""

_KVCACHE = """{name}(Tensor q, {k_cache} k_cache, {v_cache} v_cache,
  Tensor? seqused_k=None, Tensor? page_table=None, bool causal=False, float? softmax_scale=None,
  {new_keys}
  int num_splits=0, int window_left=-1, int window_right=-1, float softcap=0.0,
  Tensor? cu_seqlens_q=None, SymInt max_seqlen_q=-1, Tensor? kv_batch_idx=None,
  Tensor? leftpad_k=None, Tensor? scheduler_metadata=None, Tensor? alibi_slopes=None,
  Tensor? learnable_sink=None, Tensor? qv=None,
  Tensor? q_descale=None, Tensor? k_descale=None, Tensor? v_descale=None,
  int attention_chunk=0, int pack_gqa=-1, int sm_margin=0, bool return_partials=False)
  -> (Tensor, Tensor, Tensor, Tensor)"""

_NEW_KEYS = """Tensor? k_new=None, Tensor? v_new=None,
  Tensor? rotary_cos=None, Tensor? rotary_sin=None, Tensor? rotary_seqlens=None,
  Tensor? cu_seqlens_k_new=None, bool rotary_interleaved=True,"""

FORWARD_KVCACHE = _KVCACHE.format(
    name="forward_kvcache", k_cache="Tensor", v_cache="Tensor", new_keys=""
)

FORWARD_KVCACHE_APPEND = _KVCACHE.format(
    name="forward_kvcache_append", k_cache="Tensor(a!)", v_cache="Tensor(b!)", new_keys=_NEW_KEYS
)

BACKWARD = """backward(Tensor dout, Tensor? dlse, Tensor q, Tensor k, Tensor v,
  Tensor out, Tensor lse,
  bool causal=False, float? softmax_scale=None, bool deterministic=False,
  int window_left=-1, int window_right=-1, float softcap=0.0, int packing=0,
  Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None,
  SymInt max_seqlen_q=-1, SymInt max_seqlen_k=-1,
  Tensor? alibi_slopes=None, Tensor? learnable_sink=None, Tensor? qv=None,
  Tensor? seqused_q=None, Tensor? seqused_k=None,
  float dropout_p=0.0, Tensor? rng_state=None, int attention_chunk=0, int sm_margin=0)
  -> (Tensor, Tensor, Tensor, Tensor, Tensor)"""

BACKWARD_INTO = """backward_into(Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse,
  Tensor(a!) dq, Tensor(b!) dk, Tensor(c!) dv,
  bool causal=False, float? softmax_scale=None, bool deterministic=False,
  int window_left=-1, int window_right=-1, float softcap=0.0,
  Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None,
  SymInt max_seqlen_q=-1, SymInt max_seqlen_k=-1, Tensor? alibi_slopes=None,
  Tensor? seqused_q=None, Tensor? seqused_k=None,
  float dropout_p=0.0, Tensor? rng_state=None, int sm_margin=0) -> Tensor"""

COMBINE = "combine(Tensor out_partial, Tensor lse_partial, Tensor(a!) out) -> Tensor"

SCHEDULER_METADATA = """scheduler_metadata(Tensor cache_seqlens, str dtype, int batch,
  int max_seqlen_q, int max_seqlen_k, int q_heads, int kv_heads, int head_dim, int value_dim,
  int page_size, bool causal, int window_left, int window_right, int attention_chunk,
  bool has_softcap, int num_splits, int pack_gqa, int sm_margin) -> Tensor"""

_ALL = (
    FORWARD_DENSE,
    FORWARD,
    FORWARD_KVCACHE,
    FORWARD_KVCACHE_APPEND,
    BACKWARD,
    BACKWARD_INTO,
    COMBINE,
    SCHEDULER_METADATA,
)


def argument_names(operator: str) -> list[str]:
    """The arguments of an operator, in order."""
    (schema,) = (s for s in _ALL if s.startswith(f"{operator}("))
    inside = schema[schema.index("(") + 1 : schema.rindex("->")].rsplit(")", 1)[0]
    return [argument.split("=")[0].split()[-1] for argument in inside.split(",")]
