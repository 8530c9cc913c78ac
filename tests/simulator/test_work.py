"""What vector and cube operations tell the timing model about themselves."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

# ascsim::VectorClass, in its order.
CLASSES = (
    "AddSub Mul MaxMin ScalarAdd ScalarMul ScalarMaxMin AbsRelu Reciprocal Exp Ln Sqrt Div "
    "FusedMulAdd Logic Shift CastWiden CastNarrow CastSame Duplicate Copy Brcb BlockReduceMax "
    "BlockReduceSum WholeReduceMax WholeReduceSum PairReduceSum Compare"
).split()
DST, A, B = 0, 65536, 131072


def recorded(sim: ModuleType, kernel: str, parameters: list[int], *more: Any) -> list[str]:
    """A line per instruction."""
    out = np.zeros(16384, np.uint8)
    options = sim.Options()
    options.hazards = options.checks = False  # each instruction stands for itself
    sim.run(kernel, 1, [np.array(parameters, np.int64), out, *more], [1], options)
    return out.tobytes().rstrip(b"\0").decode().splitlines()


def vector_line(
    name: str, dtype: str, kind: str, repeats: int, elements: int, *operands: tuple[int, ...]
) -> str:
    """`operands`: address, block stride, repeat stride, blocks of a repeat."""
    texts = [" ".join(map(str, o)) for o in operands] + ["-"] * (3 - len(operands))
    return f"{name} {dtype} {CLASSES.index(kind)} {repeats} {elements} " + " ".join(texts)


@pytest.mark.parametrize("seed", range(8))
def test_vector(sim: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask, repeats = int(rng.integers(1, 65)), int(rng.integers(1, 9))
    blocks = [int(n) for n in rng.integers(1, 4, 3)]
    steps = [7 * block + 1 + int(rng.integers(0, 6)) for block in blocks]
    print(f"seed {seed}: {mask} {repeats} {blocks} {steps}")
    dst, a, b = (
        (x, *y, 8) for x, y in zip((DST, A, B), zip(blocks, steps, strict=True), strict=True)
    )
    n = mask * repeats
    whole = -(-n // 64)
    packed = [(x, 1, 8, 8) for x in (DST, A, B)]
    narrow_a, narrow_dst = (*a[:3], 4), (*dst[:3], 4)
    masked = (repeats, n)
    wanted = [
        vector_line("Add", "float", "AddSub", *masked, dst, a, b),
        vector_line("Mul", "float", "Mul", *masked, dst, a, b),
        vector_line("Max", "float", "MaxMin", *masked, dst, a, b),
        vector_line("Div", "float", "Div", whole, n, *packed),
        vector_line("MulAddDst", "float", "FusedMulAdd", *masked, dst, a, b),
        vector_line("Axpy", "float", "FusedMulAdd", *masked, dst, a, dst),
        vector_line("Adds", "float", "ScalarAdd", *masked, dst, a),
        vector_line("Muls", "float", "ScalarMul", whole, n, *packed[:2]),
        vector_line("Maxs", "half", "ScalarMaxMin", *masked, dst, a),
        vector_line("Exp", "float", "Exp", *masked, dst, a),
        vector_line("Ln", "float", "Ln", whole, n, *packed[:2]),
        vector_line("Sqrt", "float", "Sqrt", *masked, dst, a),
        vector_line("Reciprocal", "float", "Reciprocal", *masked, dst, a),
        vector_line("Relu", "float", "AbsRelu", *masked, dst, a),
        vector_line("Cast", "float", "CastWiden", *masked, dst, narrow_a),
        vector_line("Cast", "float", "CastNarrow", *masked, narrow_dst, a),
        vector_line("Duplicate", "float", "Duplicate", *masked, dst),
        vector_line("Brcb", "float", "Brcb", repeats, 64 * repeats, dst, (A, 1, 1, 1)),
        vector_line("BlockReduceSum", "float", "BlockReduceSum", *masked, (DST, 1, steps[0], 1), a),
        # A repeat's result is a pair of 8 bytes.
        vector_line("WholeReduceMax", "float", "WholeReduceMax", *masked,
                    (DST, 1, steps[0] * 8 // 32, 1), a),
        vector_line("Compare", "float", "Compare", repeats, 64 * repeats, (DST, 1, 0, 1), a, b),
    ]  # fmt: skip
    assert recorded(sim, "recorded_vector", [mask, repeats, *blocks, *steps]) == wanted


@pytest.mark.parametrize("seed", range(6))
def test_cube(sim: ModuleType, seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    m, n, k = (int(x) for x in rng.integers(1, 65, 3))
    hf32, flag, address = seed % 2, int(rng.choice([0, 3])), 1024 * int(rng.integers(0, 9))
    loads, matrices = int(rng.integers(1, 30)), int(rng.integers(1, 3)) if flag == 0 else 1
    row = n + int(rng.integers(0, 40))
    apart = m * row + int(rng.integers(0, 100))
    print(f"seed {seed}: {m} {n} {k} {hf32} {flag} {address} {loads} {matrices} {row} {apart}")
    wanted = [
        f"LoadData 0 3 {512 * loads} {loads}",
        f"LoadData 0 4 {512 * loads} {loads}",
        f"LoadDataWithTranspose 1 4 {512 * loads} {loads}",
        f"Mmad half {m} {n} {k} 0 0 {address}",
        f"Mmad float {m} {n} {k} {hf32} {flag} {address}",
        f"Fixpipe 1 1 0 2 {m} {n} {matrices} {flag} {address} {m * matrices} {2 * n} {2 * row}",
    ]
    parameters = [m, n, k, hf32, flag, address, loads, matrices, row, apart]
    assert recorded(sim, "recorded_cube", parameters, np.zeros(1 << 16, np.float16)) == wanted
