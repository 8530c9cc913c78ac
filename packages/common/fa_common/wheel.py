"""The wheel around this copy of `_common`: its native module, version and conventions."""

from __future__ import annotations

# `_common` is a folder of two packages and has no absolute name; only this file looks upwards.
from .. import _C as native  # noqa: N811, TID252
from .._version import __version__ as version  # noqa: TID252
from .._wheel import API, DISTRIBUTION, NAMESPACE  # noqa: TID252

__all__ = ["API", "DISTRIBUTION", "NAMESPACE", "native", "version"]
