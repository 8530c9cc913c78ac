"""How tensors get their values. Each fill states the kind of defect that it exposes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8": torch.float8_e4m3fn,
}
# A page id that no cache has: reading it must fault or be caught, never go unnoticed.
POISON_PAGE = 2**31 - 1


@dataclass
class Source:
    """Deterministic normal numbers in fp64."""

    generator: torch.Generator

    @staticmethod
    def of(seed: int) -> Source:
        return Source(torch.Generator().manual_seed(seed))

    def normal(self, *shape: int) -> Tensor:
        # fp32 numbers are drawn faster and have more than the precision of every input dtype.
        return torch.randn(*shape, generator=self.generator, dtype=torch.float32).double()

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, dtype=torch.float32).double()

    def permutation(self, n: int) -> Tensor:
        return torch.randperm(n, generator=self.generator)

    def integer(self, low: int, high: int) -> int:
        """A value in [low, high]."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))


@dataclass
class Values:
    """q [*, Hq, D], k [*, Hkv, D], v [*, Hkv, Dv] before rounding; tokens run along dim -3."""

    q: Tensor
    k: Tensor
    v: Tensor


def normal(source: Source, x: Values) -> Values:
    """Plain normal numbers: every key matters a little, scores have unit variance."""
    return x


def flat(source: Source, x: Values) -> Values:
    """Scores near 0: all visible keys weigh the same, so each missing one shifts LSE by 1/n."""
    return Values(x.q * 0.125, x.k * 0.125, x.v)


def needle(source: Source, x: Values) -> Values:
    """One dominant key in every 16, v tells the position: a lost or doubled tile shows at O(1)."""
    tokens, dim = x.k.shape[-3], x.k.shape[-1]
    direction = torch.ones(dim, dtype=torch.float64)
    places = torch.zeros(tokens, dtype=torch.float64)
    for begin in range(0, tokens, 16):
        places[begin + source.integer(0, min(16, tokens - begin) - 1)] = 1.0
    gain = math.sqrt(6.0 / math.sqrt(dim))  # default scale makes the needle's score about 6
    q = x.q * 0.25 + gain * direction
    k = x.k * 0.25 + gain * places[:, None, None] * direction
    position = torch.arange(tokens, dtype=torch.float64)[:, None, None]
    return Values(q, k, x.v * 0.25 + torch.cos(position) + position / max(tokens, 1))


def cancel(source: Source, x: Values) -> Values:
    """Values of alternating sign: outputs are small differences, which a relative bound misses."""
    sign = 1.0 - 2.0 * (torch.arange(x.v.shape[-3]) % 2).double()[:, None, None]
    return Values(x.q * 0.25, x.k * 0.25, sign * (4.0 + 0.01 * x.v))


def outlier(source: Source, x: Values) -> Values:
    """A few large keys: most probabilities underflow, the running maximum jumps."""
    strong = (source.uniform(x.k.shape[-3]) < 0.1).double()[:, None, None]
    return Values(x.q * 2.0, x.k * (1.0 + 7.0 * strong), x.v)


def big(source: Source, x: Values) -> Values:
    """Scores of hundreds: exp without subtracting the maximum overflows."""
    return Values(x.q * 12.0, x.k * 12.0, x.v)


def const(source: Source, x: Values) -> Values:
    """v equal for all keys: out must be v whatever the scores, so normalisation errors show."""
    return Values(x.q, x.k, x.v.mean(-3, keepdim=True).expand_as(x.v))


FILLS: dict[str, Callable[[Source, Values], Values]] = {
    f.__name__: f for f in (normal, flat, needle, cancel, outlier, big, const)
}


def make(fill: str, source: Source, shapes: Values) -> Values:
    return FILLS[fill](source, shapes)


def bits(x: Tensor) -> Tensor:
    """fp8 as uint8 in place, since few operators take fp8; everything else as it is."""
    return x.view(torch.uint8) if x.dtype == torch.float8_e4m3fn else x


def fill_poison(x: Tensor) -> Tensor:
    """Overwrites x in place with what spoils every result that it enters."""
    return bits(x).fill_(poison_value(x.dtype)).view(x.dtype)


def poison_value(dtype: torch.dtype) -> float:
    """NaN, in fp8 its bits; in int8 what no cache holds; else a page that does not exist."""
    if dtype == torch.float8_e4m3fn:
        return 0x7F
    if dtype == torch.int8:
        return -128
    return math.nan if dtype.is_floating_point else POISON_PAGE
