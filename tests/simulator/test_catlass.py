"""CATLASS's own components: results within the bound, and nothing to report."""

from __future__ import annotations

import random
from types import ModuleType

import numpy as np
import pytest

from .numbers import Array, decode, encode, product_bound

# (m, n, k): whole tiles, single rows and columns, one off a tile or a fractal, odd sizes.
SHAPES = [
    (64, 128, 128), (128, 256, 256), (1, 1, 1), (1, 128, 64), (64, 1, 128), (63, 127, 129),
    (65, 129, 127), (16, 16, 16), (17, 15, 33), (31, 200, 100), (100, 31, 200), (200, 100, 31),
    (5, 7, 300), (190, 260, 70), (33, 33, 257),
]  # fmt: skip
_RNG = random.Random(11)
MORE_SHAPES = [
    (_RNG.randint(1, 200), _RNG.randint(1, 300), _RNG.randint(1, 400)) for _ in range(60)
]
LAYOUTS = ("rr", "rc", "cr", "cc")
BLOCKS = (1, 3)


def matrices(
    shape: tuple[int, int, int], dtype: str, layouts: str, seed: int
) -> tuple[list[Array], list[Array]]:
    """A and B as fp64 and as stored ('r' by rows, 'c' by columns)."""
    rng = np.random.default_rng(seed)
    m, n, k = shape
    stored, exact = [], []
    for size, layout in zip(((m, k), (k, n)), layouts, strict=True):
        x = encode(rng.standard_normal(size, np.float32), dtype)
        exact.append(decode(x))
        stored.append(np.ascontiguousarray(x if layout == "r" else x.T))
    return stored, exact


def run_matmul(
    sim: ModuleType, kernel: str, shape: tuple[int, int, int], blocks: int, auto: bool
) -> None:
    _, dtype, layouts = kernel.rsplit("_", 2)
    (a, b), (a64, b64) = matrices(shape, dtype, layouts, seed=sum(shape))
    c = np.full((shape[0], shape[1]), np.nan, np.float32)
    options = sim.Options()
    options.auto_barriers = auto
    result = sim.run(kernel, blocks, [a, b, c, *shape], [2], options)
    assert result.reports == [], "\n".join(result.reports)
    error = np.abs(c.astype(np.float64) - a64 @ b64)
    assert (error <= product_bound(a64, b64)).all(), (kernel, shape, error.max())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("layouts", LAYOUTS)
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("variant", ["pingpong", "preload"])
def test_matmul(
    sim: ModuleType, variant: str, dtype: str, layouts: str, shape: tuple[int, int, int]
) -> None:
    for blocks, auto in zip(BLOCKS, (False, True), strict=True):
        run_matmul(sim, f"catlass_{variant}_{dtype}_{layouts}", shape, blocks, auto)


@pytest.mark.parametrize("index", range(len(MORE_SHAPES)))
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_matmul_of_random_shape(sim: ModuleType, dtype: str, index: int) -> None:
    layouts = LAYOUTS[index % len(LAYOUTS)]
    for variant, auto in (("pingpong", False), ("pingpong", True), ("preload", False)):
        kernel = f"catlass_{variant}_{dtype}_{layouts}"
        run_matmul(sim, kernel, MORE_SHAPES[index], 1 + index % 3, auto)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("kernel", ["catlass_unit_flag_fp16_rr", "catlass_unit_flag_bf16_rc"])
def test_unit_flag(sim: ModuleType, kernel: str, shape: tuple[int, int, int]) -> None:
    run_matmul(sim, kernel, shape, 2, False)


@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_epilogue(sim: ModuleType, shape: tuple[int, int, int], auto: bool) -> None:
    (a, b), (a64, b64) = matrices(shape, "fp16", "rr", seed=7)
    rng = np.random.default_rng(8)
    x = rng.standard_normal((shape[0], shape[1])).astype(np.float16)
    product, d = np.zeros_like(x), np.full_like(x, np.nan)
    options = sim.Options()
    options.auto_barriers = auto
    result = sim.run("catlass_matmul_add_fp16", 2, [a, b, x, product, d, *shape], [3, 4], options)
    assert result.reports == [], "\n".join(result.reports)
    c64 = a64 @ b64
    d64 = c64 + x
    # The product and the sum are each rounded to fp16.
    bound = product_bound(a64, b64) + 2.0**-11 * (np.abs(c64) + np.abs(d64)) * 1.01 + 2.0**-24
    assert (np.abs(d.astype(np.float64) - d64) <= bound).all()


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_grouped(sim: ModuleType, blocks: int) -> None:
    shapes = [(64, 128, 128), (1, 5, 7), (100, 200, 50), (63, 129, 130)]
    parts = [matrices(shape, "bf16", "rr", seed=i) for i, shape in enumerate(shapes)]
    a = np.concatenate([stored[0].ravel() for stored, _ in parts])
    b = np.concatenate([stored[1].ravel() for stored, _ in parts])
    c = np.zeros(sum(m * n for m, n, _ in shapes), np.float32)
    sizes = np.array(shapes, np.uint32)
    result = sim.run("catlass_grouped_bf16", blocks, [a, b, c, sizes, len(shapes)], [2])
    assert result.reports == [], "\n".join(result.reports)
    start = 0
    for (m, n, _), (_, (a64, b64)) in zip(shapes, parts, strict=True):
        got = c[start : start + m * n].reshape(m, n).astype(np.float64)
        assert (np.abs(got - a64 @ b64) <= product_bound(a64, b64)).all()
        start += m * n


def test_predicted_time_of_a_large_matmul(sim: ModuleType) -> None:
    """8192 cubed on 24 cores: published for the same tiles, 128 x 256 x 64, are 4081 and 4121 us.

    Source: matmul_high_performance of the Ascend C examples, on a 910B1. The target is 15 %.
    """
    size = 8192
    options = sim.Options()
    options.execute = options.checks = options.hazards = False
    options.timing = True
    a, b = (sim.Virtual(2 * size * size) for _ in range(2))
    c = sim.Virtual(4 * size * size)
    result = sim.run("catlass_large_fp16", 24, [a, b, c, size, size, size], [2], options)
    print(result.timing.text)
    assert result.timing.microseconds == pytest.approx(4100, rel=0.15)
