"""Exception classes. All derive from RuntimeError, which callers of the originals catch."""

from __future__ import annotations

from .wheel import native


class FlashAttnError(RuntimeError):
    """Base class of every error that this package raises on purpose."""


class InvalidArgument(FlashAttnError, ValueError):  # noqa: N818 (the name of the status code)
    """The call breaks the contract: a shape, dtype, device, stride or value does not fit."""


class NotSupported(FlashAttnError, NotImplementedError):  # noqa: N818
    """The call is meaningful, but nothing here implements it; the message names the reason."""


class BackendUnavailable(FlashAttnError):  # noqa: N818
    """The backend for these tensors exists but cannot run on this machine or in this build."""


class InternalError(FlashAttnError):
    """A defect of this package. Please report it together with the message."""


native.set_exceptions(InvalidArgument, NotSupported, BackendUnavailable, InternalError)
