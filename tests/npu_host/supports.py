"""What the NPU back end supports, in the words of the grammar: the one place that a new feature
changes here. core_kernels/src/npu/supports.cpp says the same in the words of the arguments.
"""

from __future__ import annotations

from typing import NamedTuple

from fa_testing.generate import Sizes
from fa_testing.grammar import FEATURES, Rule, other

# Levels that are generated; a feature without a line here has all of them.
NPU_SUPPORTS: dict[str, tuple[str, ...]] = {
    "direction": ("fwd",),
    "dtype": ("fp16", "bf16"),
    "descale": ("off",),
}

RULES = (
    Rule({"int8": ("head", "entry"), "qv": ("on",)}, "the NPU back end refuses it"),
    *(
        Rule({feature: other(feature, *levels)}, "the NPU back end refuses it")
        for feature, levels in NPU_SUPPORTS.items()
        if set(levels) != set(FEATURES[feature])
    ),
)

# Keys over the ends of stacks of 512, queries over those of tasks of 128 and 256 rows.
SIZES = Sizes(
    long=(500, 1100),
    tile_edges=(15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257),
    qv_columns=576,
    widest_extras=256,
    work=12_000_000,
)


class Refused(NamedTuple):
    """A case line that raises NotSupported, and a word of the message."""

    line: str
    word: str


REFUSED = (
    Refused("fwd v2.func b=1 sq=4 skv=8", "got float32, supported on NPUs: float16 and bfloat16"),
    Refused("fwd v3.func b=1 sq=4 skv=8 dt=fp8", "the chip has no 8-bit floating point"),
    Refused("fwd v2.kvcache b=1 sq=4 skv=8 d=257 dt=bf16 int8=head", "k: got int8 and"),
    Refused("fwd v3.kvcache b=1 sq=4 skv=8 d=8 dt=bf16 int8=head qv", "with an int8 cache"),
    Refused("fwd v3.func b=1 sq=4 skv=8 d=65 dv=512 dt=fp16 qv", "value dim 512 with head dim 65"),
    Refused("fwd v2.func b=1 sq=4 skv=8 d=257 dt=fp16 dropout=0.1", "dropout_p"),
    Refused("fwd v2.func b=1 sq=4 skv=8 d=8 dv=257 dt=bf16 alibi=head", "alibi_slopes"),
    Refused("bwd v2.func b=1 sq=4 skv=8 dt=fp16", "backward"),
    Refused("bwd v2.func b=1 sq=4 skv=8 dt=fp16 dropout=0.1", "backward"),
    Refused("bwd v3.func b=1 sq=4 skv=8 dt=bf16", "backward"),
)
