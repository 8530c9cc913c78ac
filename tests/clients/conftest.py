"""The ways in which transformers comes to our functions."""

from __future__ import annotations

import importlib
import importlib.util
import os
import tempfile
import warnings
from pathlib import Path

import pytest

# Read once by the project `kernels`, so it is set before anything imports it.
_FOLDER = Path(tempfile.mkdtemp(prefix="fa-kernels-"))
os.environ["HF_HUB_OFFLINE"] = "1"
# What an implementation is called by transformers, and the package that it must end in.
LOCAL = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}
REGISTERED = {"fa2_npu": "flash_attn", "fa3_npu": "flash_attn_interface"}


def has_kernels() -> bool:
    """Whether this transformers takes the `kernels` that is installed."""
    try:
        from transformers.utils.import_utils import is_kernels_available
    except ImportError:
        return False
    return bool(is_kernels_available())


def pytest_configure() -> None:
    if importlib.util.find_spec("transformers") is None:
        return
    entries = []
    for package in (*LOCAL.values(),):
        module = importlib.import_module(f"{package}.integrations.transformers")
        entries.append(module.write_kernel_folder(_FOLDER / package))
        module.register()
    os.environ["LOCAL_KERNELS"] = ":".join(entries)


@pytest.fixture(params=[*LOCAL, *REGISTERED])
def implementation(request: pytest.FixtureRequest) -> str:
    """Each name that a model can be given for its attention."""
    name: str = request.param
    if name in LOCAL and not has_kernels():
        pytest.skip("this transformers takes no installed version of kernels")
    return name


@pytest.fixture(autouse=True)
def _quiet() -> None:
    warnings.filterwarnings("ignore", module="transformers|kernels|huggingface_hub")
