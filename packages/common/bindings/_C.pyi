"""Native module of both wheels: the shared kernel core behind a torch-free binding.

Tensors are read through torch's C functions where the process has them, else through their Python
attributes (`data_ptr()`, `shape`, `stride()`, `dtype`, `is_cpu`); nothing here links libtorch.
Every output but those of `attend_plain` is allocated by the caller. All arguments are positional.
Every check happens before anything is written; a failed check raises one of the classes given to
`set_exceptions`. The GIL is released while kernels run.

Shapes: B batch, Sq/Skv tokens per sequence, Tq/Tk packed tokens, Hq/Hkv heads, D head dim,
Dv value dim. The last dim of q, k, v, qv, out, dout, k_new, v_new must have stride 1, all other
strides are free (64-bit).
"""

from collections.abc import Callable, Sequence

from torch import Tensor

CORE_VERSION: str
ABI_VERSION: int

def set_exceptions(
    invalid_argument: type[Exception],
    not_supported: type[Exception],
    backend_unavailable: type[Exception],
    internal_error: type[Exception],
) -> None:
    """Registers the Python classes that a failed Status is raised as."""

def set_npu_hooks(
    workspace: Callable[[Tensor, int], Tensor],  # nbytes on the device of a tensor, uint8
    stream_query: Callable[[], Callable[[int], tuple[int, int, int]]],  # asked once, see npu.py
    stream_handle: Callable[[int], int],  # handle of a device's current stream; asked once for each
    clear_status: Callable[[Tensor, int], None],  # zeroes the first bytes of a workspace
    read_status: Callable[[Tensor, int], bytes],  # the same bytes after the call has ended
) -> None:
    """Registers what calls of the NPU back end need from torch."""

def set_torch_state(
    wants_grad: Callable[[], bool],  # whether gradients are recorded
    is_ready: Callable[[], bool],  # whether calls with NPU tensors need no more looking at
    watchers: Sequence[Callable[[], object]],  # anything true: operators are watched or changed
) -> None:
    """Registers what `attend_plain` asks before it leaves out the dispatcher."""

def attend_plain(
    q: object,  # fp16|bf16 [B,Sq,Hq,D]
    k: object,  # [B,Skv,Hkv,D] or pages
    v: object,
    seqused_k: object,  # int32 [B] or None
    page_table: object,  # int32 [B,n] or None
    causal: object,
    softmax_scale: object,
    num_splits: object,
    window: object,  # (left, right)
    softcap: object,
    api: int,
    with_lse: object,
    /,
) -> object:
    """Checks, allocates and queues a plain call with NPU tensors, all without Python.

    Returns out or, `with_lse`, (out, lse). None, before anything is written, for every call that is
    not of the plainest kind: other devices, classes or types, gradients, watched operators, torch
    without C functions, and whatever the core refuses. Then `forward` is the way, and says why.
    """

def backends() -> list[tuple[str, str]]:
    """The back ends, best first, each with "" or the reason why it takes no tensors here."""

def npu() -> list[tuple[str, str]]:
    """The kernels for NPUs in this build: toolchain, file and names, or why there are none."""

def task_queue() -> str:
    """The entry of torch_npu's task queue that launches go through, or why there is none."""

def forward(
    q: Tensor,  # [B,Sq,Hq,D], or packed [Tq,Hq,D] with cu_seqlens_q; fp32|fp16|bf16|float8_e4m3fn
    # [B or Bc,Skv,Hkv,D], packed [Tk,Hkv,D] with cu_seqlens_k, paged [pages,page_size,Hkv,D]
    k: Tensor,
    v: Tensor,  # same layout with Dv
    qv: Tensor | None,  # like q with Dv
    out: Tensor,  # like q with Dv; dtype of q (bf16 for fp8 inputs)
    lse: Tensor,  # fp32 [B,Hq,Sq], or packed [Hq,Tq]
    # S_dmask, dtype of q, [B,Hq,>=max Sq,>=max Skv]; zero-filled by the callee
    probs: Tensor | None,
    rng_state: Tensor | None,  # int64 [2] (seed, offset), required when dropout_p > 0
    cu_seqlens_q: Tensor | None,  # int32 [B+1]
    cu_seqlens_k: Tensor | None,  # int32 [B+1]
    seqused_q: Tensor | None,  # int32 [B]
    seqused_k: Tensor | None,  # int32 [B]; with k_new: valid keys before the append
    leftpad_k: Tensor | None,  # int32 [B]
    kv_batch_idx: Tensor | None,  # int32 [B]: cache row (paged: page-table row) of each entry
    page_table: Tensor | None,  # int32 [B or rows, max_pages]
    alibi_slopes: Tensor | None,  # fp32 [Hq] or [B,Hq]
    learnable_sink: Tensor | None,  # fp32|fp16|bf16 [Hq]
    q_descale: Tensor | None,  # fp32 [B,Hkv], only with fp8 inputs
    k_descale: Tensor | None,
    v_descale: Tensor | None,
    k_new: Tensor | None,  # [B,Snew,Hkv,D] or packed [Tnew,Hkv,D] with cu_seqlens_k_new
    v_new: Tensor | None,
    cu_seqlens_k_new: Tensor | None,  # int32 [B+1]
    rotary_cos: Tensor | None,  # [rotary_len, rotary_dim/2], dtype of q
    rotary_sin: Tensor | None,
    rotary_seqlens: Tensor | None,  # int32 [B]
    scheduler_metadata: Tensor | None,  # int32 1-D, from scheduler_metadata()
    # fp32 [num_splits,B,Hq,Sq,Dv] or [num_splits,Hq,Tq,Dv]; needs lse_accum
    out_accum: Tensor | None,
    lse_accum: Tensor | None,  # fp32 [num_splits,B,Hq,Sq] or [num_splits,Hq,Tq]
    softmax_scale: float,
    causal: bool,
    window_left: int,  # negative = open
    window_right: int,
    attention_chunk: int,  # 0 = off
    softcap: float,  # 0 = off
    dropout_p: float,
    max_seqlen_q: int,  # -1 = not given
    max_seqlen_k: int,  # -1 = not given
    rotary_interleaved: bool,
    num_splits: int,  # 0 = chosen by the plan
    pack_gqa: int,  # -1 = chosen by the plan, 0, 1
    sm_margin: int,  # threads (cores) left free
    api: int,  # 2 or 3: LSE of empty rows (v2 +inf, v3 -inf), ALiBi LSE convention, window clamps
    threads: int,  # torch.get_num_threads()
    # nbytes -> uint8 tensor; called only when workspace is needed
    allocate: Callable[[int], Tensor],
) -> None:
    """Appends (when k_new is given), then attends. `k`/`v` are written only by the append."""

def backward(
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    qv: Tensor | None,
    out: Tensor,
    lse: Tensor,  # as forward returned it (same api convention)
    dlse: Tensor | None,  # fp32, shape of lse, any strides
    dq: Tensor,
    dk: Tensor,
    dv: Tensor,
    dqv: Tensor | None,  # required when qv is given
    dsink: Tensor | None,  # fp32 [Hq], required when learnable_sink is given
    softmax_d: Tensor | None,  # fp32 [B,Hq,>=Sq] or [Hq,>=Tq]: rowsum(dout*out) - dlse
    rng_state: Tensor | None,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    seqused_q: Tensor | None,
    seqused_k: Tensor | None,
    alibi_slopes: Tensor | None,
    learnable_sink: Tensor | None,
    softmax_scale: float,
    causal: bool,
    window_left: int,
    window_right: int,
    attention_chunk: int,
    softcap: float,
    dropout_p: float,
    max_seqlen_q: int,
    max_seqlen_k: int,
    deterministic: bool,  # False lets the plan follow the thread count
    sm_margin: int,
    api: int,
    threads: int,
    allocate: Callable[[int], Tensor],
) -> None:
    """Overwrites dq, dk, dv (every element, also of unused rows) and the optional outputs."""

def combine(
    out_partial: Tensor,  # fp32 [num_splits,B,S,H,Dv], last stride 1
    lse_partial: Tensor,  # fp32 [num_splits,B,S,H]
    out: Tensor,  # [B,S,H,Dv] fp32|fp16|bf16
    lse: Tensor,  # fp32 [B,S,H], any strides
    api: int,
    threads: int,
) -> None: ...
def rotary(
    x: Tensor,  # [B,S,H,D], or packed [T,H,D] with cu_seqlens; fp32|fp16|bf16
    out: Tensor,  # like x; x itself, or memory that does not overlap it
    cos: Tensor,  # [rotary_len, rotary_dim/2], fp32|fp16|bf16
    sin: Tensor,
    offsets: Tensor | None,  # int32|int64 [B], instead of offset
    offset: int,  # position of the first token
    cu_seqlens: Tensor | None,  # int32|int64 [B+1]
    interleaved: bool,
    conjugate: bool,
    threads: int,
) -> None:
    """Writes every element of `out`; tokens without angles stay as they are."""

def cross_entropy(
    logits: Tensor,  # [N,classes], fp32|fp16|bf16
    labels: Tensor,  # int32|int64 [N]
    given_lse: Tensor | None,  # fp32 [N]
    losses: Tensor,  # fp32 [N]
    z_losses: Tensor,  # fp32 [N]
    lse: Tensor,  # fp32 [N]
    smoothing: float,
    logit_scale: float,
    lse_square_scale: float,
    ignore_index: int,
    total_classes: int,
    class_start: int,
    split: bool,  # a part of the vocabulary: losses lack the lse
    threads: int,
) -> None: ...
def cross_entropy_backward(
    dloss: Tensor,  # fp32 [N]
    logits: Tensor,  # [N,classes]
    lse: Tensor,  # fp32 [N]
    labels: Tensor,  # int32|int64 [N]
    dlogits: Tensor,  # like logits, may be the same
    smoothing: float,
    logit_scale: float,
    lse_square_scale: float,
    ignore_index: int,
    total_classes: int,
    class_start: int,
    threads: int,
) -> None: ...
def norm(
    x: Tensor,  # [M,N], fp32|fp16|bf16 like all that follow, each its own
    residual: Tensor | None,  # [M,N]
    weight: Tensor,  # [N]
    bias: Tensor | None,
    weight1: Tensor | None,
    bias1: Tensor | None,
    y: Tensor,  # [M,N]
    y1: Tensor | None,  # [M,N], with weight1
    total: Tensor | None,  # [M,N]: x + residual
    eps: float,
    zero_centered: bool,
    rms: bool,
    threads: int,
) -> None: ...
def norm_backward(
    dy: Tensor,  # [M,N]
    dy1: Tensor | None,  # with weight1
    dtotal: Tensor | None,  # [M,N], added to dx
    total: Tensor,  # [M,N], what was normalised
    weight: Tensor,  # [N]
    weight1: Tensor | None,
    dx: Tensor,  # [M,N]
    dresidual: Tensor | None,  # dx in another dtype
    dweight: Tensor,  # fp32 [N]
    dbias: Tensor,  # fp32 [N]
    dweight1: Tensor | None,  # fp32 [N], with weight1
    dbias1: Tensor | None,
    eps: float,
    zero_centered: bool,
    rms: bool,
    threads: int,
) -> None: ...
def num_splits(
    batch: int, q_len: int, kv_len: int, q_heads: int, kv_heads: int, head_dim: int, value_dim: int
) -> int:
    """The split count that the plan chooses for num_splits=0; depends on nothing else."""

def scheduler_metadata(
    batch: int,
    max_seqlen_q: int,
    max_seqlen_k: int,
    q_heads: int,
    kv_heads: int,
    head_dim: int,
    value_dim: int,
    dtype_name: str,  # "float32" | "float16" | "bfloat16" | "float8_e4m3fn"
    page_size: int,  # 0 = not paged
    causal: bool,
    window_left: int,
    window_right: int,
    attention_chunk: int,
    has_softcap: bool,
    num_splits: int,
    pack_gqa: int,
    sm_margin: int,
    on_npu: bool,
) -> Sequence[int]:
    """A plan as int32 values, checked against the call that it is used with."""

def last_plan() -> dict[str, object]:
    """The plan of this thread's last call: backend, isa, splits, rows_per_task, pack_gqa, threads,
    tasks, workspace_bytes. For tests, benchmarks and bug reports."""

def isa() -> str:
    """ISA in use: portable | neon | avx2 | avx512 | avx512bf16.

    FLASH_ATTN_NPU_ISA overrides at first use.
    """

def isas() -> Sequence[str]:
    """ISAs that this machine can run, best first."""

def set_isa(name: str) -> None:
    """Selects one of isas(), for tests and benchmarks."""

def mutant() -> str:
    """Name of the deliberate defect in a mutation-test build, else ""."""
