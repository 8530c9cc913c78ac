"""State of generation that modules with a cache share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class InferenceParams:
    """What a decoding loop tells the modules of a model.

    Attributes:
      max_seqlen: int, tokens that a cache holds.
      max_batch_size: int.
      seqlen_offset: int, tokens that are in the cache.
      batch_size_offset: int, first entry of the cache that this call uses.
      key_value_memory_dict: cache [max_batch_size, max_seqlen, 2, Hkv, D] of each layer.
      lengths_per_sample: int32 [B] or None: tokens that are in the cache, by entry.
    """

    max_seqlen: int
    max_batch_size: int
    seqlen_offset: int = 0
    batch_size_offset: int = 0
    key_value_memory_dict: dict[Any, Any] = field(default_factory=dict)
    lengths_per_sample: Tensor | None = None

    def reset(self, max_seqlen: int, max_batch_size: int) -> None:
        """Begins anew, with the caches that are there."""
        self.max_seqlen = max_seqlen
        self.max_batch_size = max_batch_size
        self.seqlen_offset = 0
        if self.lengths_per_sample is not None:
            self.lengths_per_sample.zero_()
