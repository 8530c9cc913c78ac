"""One attention call as a frozen value with a one-line text form.

The case line is the test id, the reproducer printed on failure and the format of `tests/cases`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

FUNCTIONS = {
    2: (
        "func",
        "kvpacked",
        "qkvpacked",
        "varlen",
        "varlen_kvpacked",
        "varlen_qkvpacked",
        "kvcache",
    ),
    3: ("func", "qkvpacked", "varlen", "kvcache"),
}
DTYPES = ("fp32", "fp16", "bf16", "fp8")


@dataclass(frozen=True)
class Case:
    """A call of one public function. Lengths in tokens; empty tuples mean "argument not given".

    Attributes:
      api: 2 or 3; function: one of FUNCTIONS[api]; direction: fwd | bwd (forward and backward).
      b, sq, skv: batch, tokens of q, tokens of k or of a cache row (varlen: largest length).
      q_lens, kv_lens: varlen lengths; for kvcache q_lens is cu_seqlens_q and kv_lens is
        cache_seqlens (valid keys before the append).
      used_q, used_k: seqused_q and seqused_k of v3 varlen; padded_q, padded_k leave out its
        cu_seqlens of that side, which is then a padded tensor.
      new: new keys per entry; ragged_new passes them packed with cu_seqlens_k_new.
      page: page size, 0 = not paged. rows: cache (or page table) rows when above b.
      int8: head | entry: k and v in int8, with scales [Hkv] or [B, Hkv].
      rotary: rotary dim, 0 = off. splits: 0 = chosen by the plan.
      layout: plain | transposed (heads outside tokens) | sliced (gaps between rows).
    """

    api: int = 2
    function: str = "func"
    direction: str = "fwd"
    b: int = 1
    sq: int = 1
    skv: int = 1
    hq: int = 1
    hkv: int = 1
    d: int = 8
    dv: int = 0
    dt: str = "fp32"
    causal: bool = False
    window: tuple[int, ...] = (-1, -1)
    chunk: int = 0
    softcap: float = 0.0
    scale: float = 0.0
    alibi: str = ""
    sink: bool = False
    dropout: float = 0.0
    qv: bool = False
    descale: bool = False
    int8: str = ""
    q_lens: tuple[int, ...] = ()
    kv_lens: tuple[int, ...] = ()
    used_q: tuple[int, ...] = ()
    used_k: tuple[int, ...] = ()
    padded_q: bool = False
    padded_k: bool = False
    int_seqlens: bool = False
    leftpad: tuple[int, ...] = ()
    batch_idx: bool = False
    rows: int = 0
    page: int = 0
    new: tuple[int, ...] = ()
    ragged_new: bool = False
    rotary: int = 0
    halves: bool = False
    rotary_seqlens: bool = False
    splits: int = 1
    pack_gqa: int = -1
    sm_margin: int = 0
    deterministic: bool = False
    metadata: bool = False
    lse: bool = True
    dlse: bool = False
    layout: str = "plain"
    fill: str = "normal"
    seed: int = 0

    @property
    def value_dim(self) -> int:
        return self.dv or self.d

    @property
    def group(self) -> int:
        return self.hq // self.hkv

    @property
    def cached(self) -> bool:
        return self.function == "kvcache"

    @property
    def varlen(self) -> bool:
        return self.function.startswith("varlen")

    @property
    def packed_q(self) -> bool:
        """Whether q is [total, heads, dim] with cu_seqlens_q."""
        return (self.varlen or (self.cached and bool(self.q_lens))) and not self.padded_q

    @property
    def packed_k(self) -> bool:
        return self.varlen and not self.padded_k

    @property
    def backward(self) -> bool:
        return self.direction == "bwd"

    def replace(self, **changes: Any) -> Case:
        return dataclasses.replace(self, **changes)

    def __str__(self) -> str:
        return format_case(self)


_FIELDS = {f.name: f for f in dataclasses.fields(Case)}
_ALWAYS = ("b", "sq", "skv", "hq", "hkv", "d", "dt", "fill", "seed")
_HEAD = ("api", "function", "direction")


def _format_value(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(v) for v in value)
    return str(value)


def format_case(case: Case) -> str:
    """The case line: `bwd v3.varlen b=2 sq=5 ... causal window=3,0 seed=7`, defaults left out."""
    words = [case.direction, f"v{case.api}.{case.function}"]
    for name, field in _FIELDS.items():
        value = getattr(case, name)
        if name in _HEAD or (value == field.default and name not in _ALWAYS):
            continue
        if isinstance(value, bool):
            words.append(name if value else f"no-{name}")
        else:
            words.append(f"{name}={_format_value(value)}")
    return " ".join(words)


def _parse_value(name: str, text: str) -> Any:
    default = _FIELDS[name].default
    if isinstance(default, tuple):
        return tuple(int(v) for v in text.split(",") if v)
    if isinstance(default, float):
        return float(text)
    if isinstance(default, int):
        return int(text)
    return text


def parse_case(line: str) -> Case:
    """Inverse of `format_case`; raises ValueError for an unknown word."""
    direction, target, *words = line.split()
    version, function = target.split(".")
    values: dict[str, Any] = {"direction": direction, "function": function}
    values["api"] = int(version.removeprefix("v"))
    for word in words:
        name, sep, text = word.partition("=")
        off = name.startswith("no-")
        name = name.removeprefix("no-").replace("-", "_") if off else name
        if name not in _FIELDS or name in _HEAD:
            raise ValueError(f"case line: unknown word {word!r}")
        values[name] = _parse_value(name, text) if sep else not off
    case = Case(**values)
    check_case(case)
    return case


def check_case(case: Case) -> None:
    """Refuses cases that contradict themselves, so that typos in case files are not run."""
    assert case.function in FUNCTIONS[case.api], case
    assert case.direction in ("fwd", "bwd") and case.dt in DTYPES, case
    assert case.hkv > 0 and case.hq % case.hkv == 0, case
    for name in ("kv_lens", "used_q", "used_k", "leftpad", "new", "q_lens"):
        assert len(getattr(case, name)) in (0, case.b), (
            f"{name}: expected {case.b} values in {case}"
        )
    assert not case.varlen or (len(case.q_lens) == len(case.kv_lens) == case.b), case
    assert case.fill and len(case.window) == 2, case
    assert case.int8 in ("", "head", "entry"), case


def read_cases(path: str) -> list[Case]:
    """Case lines of a file; `#` starts a comment."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [parse_case(line) for line in lines if line]
