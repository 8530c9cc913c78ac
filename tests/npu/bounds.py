"""Kernels with a bound that is off by one: copies of their sources, compiled anew."""

from __future__ import annotations

import itertools
import os
import runpy
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from npu.mutants import KERNELS, ROOT, Trial, verdict

_NUMBERS = itertools.count()
CORES = {"aic": "__DAV_C220_CUBE__", "aiv": "__DAV_C220_VEC__"}


@dataclass(frozen=True)
class Bound:
    """`good`, which a file has once, becomes `bad`. `equivalent`: why no result can differ."""

    kernel: str
    file: str
    good: str
    bad: str
    equivalent: str = ""

    def __str__(self) -> str:
        return f"{self.kernel} {self.file}: {self.good} => {self.bad}"


class Renamed:
    """The simulator's module, with another kernel in place of the one that is asked for."""

    def __init__(self, sim: ModuleType, name: str) -> None:
        self.sim, self.name = sim, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.sim, attribute)

    def run(self, _: str, *arguments: Any, **named: Any) -> Any:
        return self.sim.run(self.name, *arguments, **named)


def spoil(sim: ModuleType, bound: Bound, folder: Path) -> Renamed:
    """Compiles the kernel with the defect under a name of its own, and loads it."""
    assert sim.__file__
    build = Path(sim.__file__).resolve().parent
    name = f"{bound.kernel}_{next(_NUMBERS)}"
    header = folder / "npu/kernels" / bound.file
    header.parent.mkdir(parents=True)
    header.write_text((KERNELS / bound.file).read_text().replace(bound.good, bound.bad))
    entry = KERNELS / f"{bound.kernel.removeprefix('fa_')}.cpp"
    source = folder / "kernel.cpp"
    source.write_text(entry.read_text().replace(f"({bound.kernel},", f"({name},"))
    catlass = runpy.run_path(str(ROOT / "third_party/catlass.py"))["existing"]()
    assert catlass, "run `python third_party/catlass.py` first"
    core = ROOT / "core_kernels"
    include = (folder, core / "src", core / "include", catlass, ROOT / "simulator/include")
    command = [
        *shlex.split(os.environ.get("CXX", "c++")),
        *("-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden"),
        *("-fvisibility-inlines-hidden", "-include", "kernel_operator.h", "-D__NPU_ARCH__=2201"),
        *("-DCATLASS_ARCH=2201", *(f"-I{path}" for path in include), str(source)),
        *(f"-L{build}", "-lascsim", f"-Wl,-rpath,{build}"),
    ]
    for core_name, macro in CORES.items():
        library = folder / f"{core_name}.so"
        subprocess.run([*command, f"-D{macro}", "-o", str(library)], check=True)
        sim.load(str(library))
    return Renamed(sim, name)


def noticed(sim: ModuleType, spoiled: Renamed, trials: list[Trial]) -> str:
    """As verdict(), by the first trial that notices."""
    for trial in trials:
        result, expected = trial(sim, sim.Options())
        assert result.reports == []
        if found := verdict(spoiled, trial, sim.Options(), expected):
            return found
    return ""


_PLAIN = "fa_forward_fp16_d128"
_LONG = "fa_forward_fp16_d64"
_EXTRAS = "fa_forward_fp16_d128_extras"
_INT8 = "fa_forward_bf16_d128_int8"
_MLA = "fa_forward_fp16_mla"

BOUNDS = (
    Bound(_PLAIN, "mask.h", "CMPMODE::GE", "CMPMODE::GT"),
    Bound(_PLAIN, "mask.h", "CMPMODE::LT", "CMPMODE::LE"),
    Bound(_PLAIN, "mask.h", "begin > 0", "begin > 1"),
    Bound(_PLAIN, "mask.h", "column < begin;", "column < begin - 1;"),
    Bound(_PLAIN, "mask.h", "end < width", "end < width - 1"),
    Bound(_PLAIN, "mask.h", "edge = end / ", "edge = (end + 1) / "),
    Bound(_PLAIN, "mask.h", "own + rows.first)", "own + rows.first + 1)"),
    Bound(_PLAIN, "mask.h", "rows.first + rows.count - 1", "rows.first + rows.count - 2"),
    Bound(_PLAIN, "vector_role.h", "(task.rows + 1) / 2", "task.rows / 2"),
    Bound(_PLAIN, "schedule.h", "row + kTile) - 1", "row + kTile) - 2"),
    Bound(_PLAIN, "schedule.h", "{low / kTile", "{(low + 1) / kTile"),
    Bound(_PLAIN, "schedule.h", "(high + kTile - 1)", "(high + kTile - 2)"),
    Bound(_PLAIN, "schedule.h", "high <= low", "high < low"),
    Bound(_PLAIN, "schedule.h", "first(block) < q.length", "first(block) <= q.length"),
    Bound(_PLAIN, "schedule.h", "next_ < passed_", "next_ <= passed_"),
    Bound(_PLAIN, "schedule.h", "first_query + queries - 1", "first_query + queries - 2"),
    Bound(_PLAIN, "schedule.h", "task.first_query).lo", "task.first_query + 1).lo"),
    Bound(_PLAIN, "schedule.h", "tiles = (keys + kTile - 1)", "tiles = (keys + kTile - 2)"),
    Bound(_PLAIN, "schedule.h", "(tiles + splits_ - 1)", "(tiles + splits_ - 2)"),
    Bound(_PLAIN, "schedule.h", "(keys + kTile - 1) / kTile; }", "(keys + kTile - 2) / kTile; }"),
    Bound(_PLAIN, "schedule.h", "(task.rows + kTile - 1)", "(task.rows + kTile - 2)"),
    Bound(_PLAIN, "query_blocks.h", "block < blocks_", "block <= blocks_"),
    Bound(_PLAIN, "query_blocks.h", "+ size_ - 1)", "+ size_ - 2)"),
    Bound(_PLAIN, "query_blocks.h", "(rest + rest_size_ - 1)", "(rest + rest_size_ - 2)"),
    Bound(_PLAIN, "score_products.h", "tile_ >= seen.begin", "tile_ > seen.begin"),
    Bound(_PLAIN, "score_products.h", "tile_ < seen.end", "tile_ + 1 < seen.end"),
    Bound(
        _PLAIN,
        "score_products.h",
        "tile_ < seen.end",
        "tile_ <= seen.end",
        "one tile of scores more, which the mask overwrites",
    ),
    Bound(_PLAIN, "score_products.h", "first + kTile >= head_dim_", "first + kTile > head_dim_"),
    Bound(_PLAIN, "score_products.h", "row_ < unit_->task.rows", "row_ <= unit_->task.rows"),
    Bound(
        _PLAIN,
        "output_products.h",
        "row_ + kTile >=",
        "row_ + kTile >",
        "places of values are given back with their unit, so values come later",
    ),
    Bound(_PLAIN, "output_products.h", "(tiles_.end, first + ", "(tiles_.end, first - 1 + "),
    Bound(_PLAIN, "output_products.h", "rows * kStackKeys <=", "rows * kStackKeys / 2 <="),
    Bound(
        _PLAIN, "output_products.h", "read_ == Layout::kStackTiles", "read_ > Layout::kStackTiles"
    ),
    Bound(
        _PLAIN, "output_products.h", "read_ < Layout::kStackTiles", "read_ <= Layout::kStackTiles"
    ),
    Bound(_PLAIN, "output_products.h", "part{values.part,", "part{values.part + 1,"),
    Bound(_PLAIN, "tile_loader.h", "row = part.begin + done", "row = part.begin + done + 1"),
    Bound(_PLAIN, "unowned.h", "q.first + q.length, end", "q.first + q.length + 1, end"),
    Bound(_PLAIN, "unowned.h", "store(batch, 0, q.first)", "store(batch, 0, q.first - 1)"),
    Bound(
        _PLAIN,
        "unowned.h",
        "store(batch, end, args_.q_lengths.tokens)",
        "store(batch, end, args_.q_lengths.tokens - 1)",
    ),
    Bound(
        _PLAIN, "row_store.h", "(rows.count - 1 - ahead) / size + 1", "(rows.count - ahead) / size"
    ),
    Bound(_PLAIN, "sink.h", "row < rows.count; row += size", "row + 1 < rows.count; row += size"),
    Bound(
        _LONG, "softmax.h", "(width + Layout::kPartKeys - 1)", "(width + Layout::kPartKeys - 65)"
    ),
    Bound(_EXTRAS, "dropout.h", "row < own.count", "row + 1 < own.count"),
    Bound(_EXTRAS, "dropout.h", "CMPMODE::LE", "CMPMODE::LT"),
    Bound(_EXTRAS, "dropout_probs.h", "row = used", "row = used + 1"),
    Bound(
        _EXTRAS,
        "dropout_probs.h",
        "column < args_.probs_columns",
        "column + 1 < args_.probs_columns",
    ),
    Bound(
        _EXTRAS,
        "alibi.h",
        "row < rows.count; ++row) {\n      const int32_t own",
        "row + 1 < rows.count; ++row) {\n      const int32_t own",
    ),
    Bound(_INT8, "stack_caster.h", "(unit.keys + 1) / 2", "unit.keys / 2"),
    Bound(_INT8, "stack_caster.h", "done < own.count", "done + 1 < own.count"),
    Bound(
        _MLA, "mla_order.h", "(keys + Layout::kPieceKeys - 1)", "(keys + Layout::kPieceKeys - 2)"
    ),
    Bound(_MLA, "mla_cube_role.h", "tile < seen.begin", "tile <= seen.begin"),
    Bound(_MLA, "mla_cube_role.h", "tile >= seen.end", "tile + 1 >= seen.end"),
    Bound(
        _MLA,
        "mla_cube_role.h",
        "value_dim_ - column <= kTile",
        "value_dim_ - column < kTile",
        "products and stores of no columns, which do nothing",
    ),
    Bound(_MLA, "mla_operands.h", "loaded_ - released_ < Layout", "loaded_ - released_ <= Layout"),
    Bound(_MLA, "mla_operands.h", "count <= 0", "count <= 1"),
    Bound(_MLA, "mla_operands.h", "count <= 0", "count < 0"),
)
