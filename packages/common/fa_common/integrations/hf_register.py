"""Ways into Hugging Face transformers. It is imported when a function here is called."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, NotSupported  # noqa: TID252, a folder without absolute name

KERNEL_FUNCTIONS = ("flash_attn_func", "flash_attn_varlen_func", "flash_attn_with_kvcache")


def register(name: str, attention: Callable[..., Any]) -> str:
    """Makes `attention` the implementation `name` of transformers."""
    if not name or "flash" in name or any(c in name for c in "/:|@"):
        raise InvalidArgument(
            f"name: got {name!r}, expected one without 'flash' and '/', ':', '|', '@' "
            "(transformers takes such names for its own or for kernels of its hub)"
        )
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import flash_attention_mask

    AttentionInterface.register(name, attention)
    # The padding mask [B, Skv], or None where all tokens count: no score mask is formed.
    AttentionMaskInterface.register(name, flash_attention_mask)
    return name


def write_kernel_folder(folder: str | Path, package: str, repository: str) -> str:
    """Writes a local kernel that re-exports `package`, as the project `kernels` loads it.

    Returns:
      The value of the environment variable LOCAL_KERNELS, `<repository>=<folder>`.
    """
    build = Path(folder).resolve() / "torch-universal"
    build.mkdir(parents=True, exist_ok=True)
    metadata = {
        "id": f"{package}_local",
        "name": repository.rsplit("/", 1)[-1],
        "version": 4,
        "license": "BSD-3-Clause",
        "python-depends": [],
        "backend": {"type": "cpu"},
    }
    (build / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    names = ", ".join(KERNEL_FUNCTIONS)
    (build / "__init__.py").write_text(
        f'"""Local kernel: the functions of the installed package {package}."""\n\n'
        f"from {package} import {names}\n\n__all__ = {list(KERNEL_FUNCTIONS)!r}\n"
    )
    return f"{repository}={build.parent}"


def patch_npu_path(functions: Mapping[str, Callable[..., Any]]) -> Callable[[], None]:
    """Puts our functions where transformers looks for FlashAttention on an NPU.

    Its own ones there know no window, softcap or sinks: windows are left out without a word.

    Returns:
      A function that takes the change back.
    """
    from transformers import modeling_flash_attention_utils as loaded
    from transformers.integrations import npu_flash_attention as npu

    if getattr(loaded, "_loaded_implementation", None) is not None:
        raise NotSupported(
            "patch_npu_path: got a call after a model chose its flash attention, "
            "supported is a call before the first model"
        )
    if npu.is_npu_fa2_top_left_aligned_causal_mask():
        raise NotSupported(
            "patch_npu_path: got NPU_FA2_SPARSE_MODE=2 (top left alignment), supported is the "
            "default (bottom right)"
        )
    targets = {f"npu_{name}": functions[name] for name in KERNEL_FUNCTIONS}
    # Not every version of transformers has all three.
    before = {name: getattr(npu, name) for name in targets if hasattr(npu, name)}
    for name in before:
        setattr(npu, name, targets[name])

    def undo() -> None:
        for name, function in before.items():
            setattr(npu, name, function)

    return undo
