"""The comparison with plain PyTorch takes place wherever PyTorch has such an attention."""

from __future__ import annotations

import pytest
import torch
from packaging.version import Version

from fa_testing.fill import DTYPES
from fa_testing.same_dtype import has_attention


@pytest.mark.smoke
@pytest.mark.parametrize("name", DTYPES)
def test_has_attention(name: str) -> None:
    half = Version(torch.__version__) >= Version("2.5")
    assert has_attention(DTYPES[name]) == {"fp8": False, "fp16": half}.get(name, True)
