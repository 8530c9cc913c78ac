"""For Hugging Face transformers: ways to let its models use this package.

    from flash_attn.integrations.transformers import register

    model = AutoModelForCausalLM.from_pretrained(..., attn_implementation=register())

From the command line, for programs that cannot be changed:

    export LOCAL_KERNELS="$(python -m flash_attn.integrations.transformers FOLDER)"
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from .. import (  # noqa: TID252, this package has no other module of these names
    flash_attn_func,
    flash_attn_varlen_func,
    flash_attn_with_kvcache,
)
from .._common.integrations import hf_register  # noqa: TID252
from .._common.integrations.hf_attention import Functions, make_attention  # noqa: TID252

attention = make_attention(Functions(flash_attn_func, flash_attn_varlen_func, has_dropout=True))


def register(name: str = "fa2_npu") -> str:
    """Makes this package an attention implementation of transformers and returns its name.

    Padded and packed sequences, sliding windows, softcap and sinks are supported, on every device
    and in every dtype that the attention functions take. transformers must be 4.57 or newer.

    Args:
      name: what models are asked for with `attn_implementation`. It must not contain "flash":
          transformers takes such names for its own.
    Returns:
      `name`.
    Raises:
      InvalidArgument: transformers would take the name for something else.
      ImportError: transformers is missing or too old.
    """
    return hf_register.register(name, attention)


def write_kernel_folder(
    folder: str | Path, repository: str = "kernels-community/flash-attn2"
) -> str:
    """Writes a local kernel, by which `attn_implementation="flash_attention_2"` is this package.

    transformers loads it through the project `kernels` if the environment variable LOCAL_KERNELS
    has the returned value before the import. Nothing is downloaded.

    Args:
      folder: where to write; made if it does not exist.
      repository: name of the kernel that it stands for.
    Returns:
      The value for LOCAL_KERNELS, `<repository>=<folder>`.
    """
    return hf_register.write_kernel_folder(folder, "flash_attn", repository)


def patch_npu_path() -> Callable[[], None]:
    """Lets `attn_implementation="flash_attention_2"` on an NPU be this package.

    There transformers calls functions of its own, which leave sliding windows out and refuse
    softcap. Call this before the first model is made.

    Returns:
      A function that takes the change back.
    Raises:
      NotSupported: a model has chosen its functions already, or transformers is set to the other
          alignment of the causal mask.
    """
    return hf_register.patch_npu_path(
        {
            "flash_attn_func": flash_attn_func,
            "flash_attn_varlen_func": flash_attn_varlen_func,
            "flash_attn_with_kvcache": flash_attn_with_kvcache,
        }
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m flash_attn.integrations.transformers FOLDER")
    print(write_kernel_folder(sys.argv[1]))
