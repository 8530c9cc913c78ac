"""Every name that clients import from the v2 wheel is there, or raises ImportError.

Without triton, which no test environment has, and with and without einops.
"""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.support import Wheel

# Modules of the original and the names that clients take from them; an empty list stands for
# modules that need a CUDA extension, or that are left out: both raise ImportError.
NAMES: dict[str, list[str]] = {
    "flash_attn": [
        "__version__",
        "flash_attn_func",
        "flash_attn_kvpacked_func",
        "flash_attn_qkvpacked_func",
        "flash_attn_varlen_func",
        "flash_attn_varlen_kvpacked_func",
        "flash_attn_varlen_qkvpacked_func",
        "flash_attn_with_kvcache",
    ],
    "flash_attn.flash_attn_interface": [
        "FlashAttnFunc",
        "FlashAttnKVPackedFunc",
        "FlashAttnQKVPackedFunc",
        "FlashAttnVarlenFunc",
        "FlashAttnVarlenKVPackedFunc",
        "FlashAttnVarlenQKVPackedFunc",
        "USE_TRITON_ROCM",
        "_flash_attn_backward",
        "_flash_attn_forward",
        "_flash_attn_varlen_backward",
        "_flash_attn_varlen_forward",
        "_get_block_size_n",
        "_wrapped_flash_attn_backward",
        "_wrapped_flash_attn_forward",
        "_wrapped_flash_attn_varlen_backward",
        "_wrapped_flash_attn_varlen_forward",
        "flash_attn_func",
        "flash_attn_gpu",
        "flash_attn_varlen_func",
        "flash_attn_with_kvcache",
        "maybe_contiguous",
        "round_multiple",
    ],
    "flash_attn_2_cuda": ["bwd", "fwd", "fwd_kvcache", "varlen_bwd", "varlen_fwd"],
    "flash_attn.bert_padding": [
        "index_first_axis",
        "index_first_axis_residual",
        "index_put_first_axis",
        "pad_input",
        "unpad_input",
        "unpad_input_for_concatenated_sequences",
    ],
    "flash_attn.layers.rotary": [
        "ApplyRotaryEmb",
        "ApplyRotaryEmbKV_",
        "ApplyRotaryEmbQKV_",
        "RotaryEmbedding",
        "apply_rotary_emb",
        "apply_rotary_emb_func",
        "apply_rotary_emb_kv_",
        "apply_rotary_emb_qkv_",
        "apply_rotary_emb_torch",
        "rotate_half",
    ],
    "flash_attn.ops.triton.rotary": ["apply_rotary"],
    "flash_attn.ops.triton.cross_entropy": ["CrossEntropyLoss", "cross_entropy_loss"],
    "flash_attn.losses.cross_entropy": ["CrossEntropyLoss"],
    "flash_attn.ops.triton.layer_norm": [
        "LayerNormFn",
        "RMSNorm",
        "layer_norm_fn",
        "layer_norm_linear_fn",
        "layer_norm_ref",
        "rms_norm_fn",
        "rms_norm_ref",
    ],
    "flash_attn.ops.rms_norm": ["DropoutAddRMSNorm", "RMSNorm", "dropout_add_rms_norm", "rms_norm"],
    "flash_attn.modules.mha": [
        "CrossAttention",
        "FlashCrossAttention",
        "FlashSelfAttention",
        "MHA",
        "ParallelMHA",
        "SelfAttention",
        "get_alibi_slopes",
    ],
    "flash_attn.utils.distributed": [
        "all_gather",
        "all_gather_raw",
        "all_reduce",
        "all_reduce_raw",
        "get_dim_for_local_rank",
        "reduce_scatter",
        "reduce_scatter_raw",
        "sync_shared_params",
    ],
    "flash_attn.utils.generation": ["InferenceParams"],
    "flash_attn.ops.activations": [],
    "flash_attn.ops.fused_dense": [],
    "flash_attn.ops.layer_norm": [],
    "flash_attn.utils.benchmark": [],
    "flash_attn.utils.library": [],
    "flash_attn.utils.pretrained": [],
    "flash_attn.utils.testing": [],
    "flash_attn.utils.torch": [],
    "flash_attn.cute": [],
}
EINOPS = ["rearrange", "repeat"]  # of bert_padding, with einops only
SNAPSHOT = json.loads(Path(__file__).with_name("layer_signatures.json").read_text())

CODE = """
import importlib, json, sys
hidden, names = json.loads(sys.argv[1])
for name in hidden:
    sys.modules[name] = None
results = {}
for module, attributes in names.items():
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        results[module] = "ImportError"
    else:
        results[module] = [name for name in attributes if not hasattr(found, name)]
print(json.dumps(results))
"""


@pytest.mark.smoke
@pytest.mark.parametrize("hidden", [["triton"], ["triton", "einops", "torch_npu"]])
def test_import_matrix(v2: Wheel, hidden: list[str]) -> None:
    einops = importlib.util.find_spec("einops") is not None and "einops" not in hidden
    names = NAMES | {"flash_attn.bert_padding": NAMES["flash_attn.bert_padding"] + EINOPS * einops}
    command = [sys.executable, "-c", CODE, json.dumps([hidden, names])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results == {module: [] if wanted else "ImportError" for module, wanted in names.items()}


def test_version_is_the_interface_level(v2: Wheel) -> None:
    assert v2.module.__version__ == "2.8.3"
    assert v2.module.__npu_version__ != "2.8.3"


def test_other_distributions_may_extend_the_package(v2: Wheel, tmp_path: Path) -> None:
    (tmp_path / "flash_attn/cute").mkdir(parents=True)
    (tmp_path / "flash_attn/__init__.py").write_text("")
    (tmp_path / "flash_attn/cute/__init__.py").write_text("answer = 42\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import flash_attn.cute as c"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(c.answer)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "42\n", done.stderr


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("module", "name"), [(m, n) for m, functions in SNAPSHOT.items() for n in functions]
)
def test_parameters_are_the_originals(v2: Wheel, module: str, name: str) -> None:
    """Names, order and defaults; for classes of __init__ and, after a dot, of methods."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if inspect.isclass(found):
        found = found.__init__
    # A custom operator keeps its function.
    parameters = list(inspect.signature(getattr(found, "_init_fn", found)).parameters.values())
    ours = [[p.name] if p.default is p.empty else [p.name, repr(p.default)] for p in parameters]
    assert [p for p in ours if p[0] not in ("self", "ctx")] == SNAPSHOT[module][name]


def test_what_needs_cuda_says_so(v2: Wheel) -> None:
    from flash_attn.modules.mha import MHA, ParallelMHA

    with pytest.raises(ImportError, match="fused_dense_lib"):
        ParallelMHA(64, 4, None)
    with pytest.raises(ImportError, match="fused_dense_lib"):
        MHA(64, 4, fused_bias_fc=True)
    with pytest.raises(ImportError, match="dropout_layer_norm"):
        importlib.import_module("flash_attn.ops.layer_norm")
