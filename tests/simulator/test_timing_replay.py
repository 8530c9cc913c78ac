"""Replay of instruction streams against a restatement in program order.

The restatement needs no events: it knows the duration of every move, since three cores cannot
load L2 or HBM.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import pytest

from .timing_runs import predict

VECTOR, MMAD, LOAD, IN, OUT, SCALAR, SET, WAIT, BARRIER, CROSS_SET, CROSS_WAIT = range(11)
S, V, M, MTE1, MTE2, MTE3, FIX, ALL = range(8)
PIPE_OF = {VECTOR: V, MMAD: M, LOAD: MTE1, IN: MTE2, OUT: MTE3}
DEPTH = 32
CROSS_LATENCY = 300
Word = tuple[int, ...]


def price(word: Word) -> tuple[float, float]:
    """Occupancy and latency of an instruction of a pipe."""
    kind, a, b, c = (*word, 0, 0, 0)[:4]
    if kind == VECTOR:
        return a, 17
    if kind == MMAD:
        return -(-a // 16) * -(-b // 16) * -(-c // 16) + 7, 60
    if kind == LOAD:
        return -(-a // 128), 25
    sectors = -(-a // 128) * 128
    return max(20, sectors / (59 if kind == IN else 109)), 350 if kind == IN else 200


@dataclass
class Core:
    program: list[Word]
    at: int = 0
    time: float = 0
    free: dict[int, float] = field(default_factory=dict)
    complete: dict[int, float] = field(default_factory=dict)
    ready: dict[int, float] = field(default_factory=dict)
    left: dict[int, list[float]] = field(default_factory=dict)
    flags: dict[tuple[int, ...], float] = field(default_factory=dict)
    sets: dict[int, list[float]] = field(default_factory=dict)  # cross-core: made
    waits: dict[int, int] = field(default_factory=dict)  # cross-core: satisfied


def enqueue(core: Core, pipe: int) -> float:
    """Time at which an entry of the pipe's queue may be worked on."""
    left = core.left.setdefault(pipe, [])
    if len(left) >= DEPTH:
        core.time = max(core.time, left[-DEPTH])
    issued = core.time
    core.time += 1
    return max(issued, left[-1] if left else 0)


def step(cores: list[Core], index: int) -> bool:
    core = cores[index]
    word = core.program[core.at]
    kind = word[0]
    if kind == SCALAR:
        core.time += 6 * word[1]
    elif kind == BARRIER and word[1] == ALL:
        core.time = max([core.time, *core.complete.values()])
    elif kind == CROSS_WAIT:
        partners = [cores[0]] if index else cores[1:]
        count = core.waits.get(word[1], 0)
        times = [p.sets.get(word[1], []) for p in partners]
        if any(len(t) <= count for t in times):
            return False
        core.time = max(core.time, *(t[count] + CROSS_LATENCY for t in times))
        core.waits[word[1]] = count + 1
    elif kind == SET and word[1] == S:
        core.flags[word[1:4]] = core.time
    elif kind == WAIT and word[2] == S:
        core.time = max(core.time, core.flags[word[1:4]])
    else:
        queue_step(core, word)
    core.at += 1
    return True


def queue_step(core: Core, word: Word) -> None:
    kind = word[0]
    pipe = PIPE_OF[kind] if kind in PIPE_OF else word[2] if kind == WAIT else word[1]
    here = enqueue(core, pipe)
    complete, ready = core.complete.get(pipe, 0), core.ready.get(pipe, 0)
    if kind == WAIT:
        ready = max(ready, core.flags[word[1:4]])
        core.ready[pipe] = ready
        here = max(here, ready)
    elif kind == BARRIER:
        core.ready[pipe] = max(ready, here, complete + 1)
    elif kind == SET:
        core.flags[word[1:4]] = max(here, complete)
    elif kind == CROSS_SET:
        core.sets.setdefault(word[2], []).append(max(here, complete))
    else:
        here = max(here, core.free.get(pipe, 0), ready)
        occupancy, latency = price(word)
        core.free[pipe] = here + occupancy
        core.complete[pipe] = max(complete, here + occupancy + latency)
    core.left[pipe].append(here)


def expected_cycles(programs: list[list[Word]]) -> float:
    cores = [Core(p) for p in programs]
    progress = True
    while progress:
        progress = False
        for index, core in enumerate(cores):
            while core.at < len(core.program) and step(cores, index):
                progress = True
    assert all(core.at == len(core.program) for core in cores)
    return max(max([core.time, *core.complete.values()]) for core in cores)


def random_program(rng: random.Random, length: int, aic: bool) -> list[Word]:
    pipes = [M, MTE1, MTE2, MTE3, FIX] if aic else [S, V, MTE2, MTE3]
    kinds = [MMAD, LOAD, IN, OUT] if aic else [VECTOR, IN, OUT]
    words: list[Word] = []
    pending: list[tuple[int, int, int]] = []
    for _ in range(length):
        choice = rng.random()
        if choice < 0.5:
            kind = rng.choice(kinds)
            size = {
                VECTOR: (rng.randint(1, 200),),
                MMAD: tuple(rng.randint(1, 130) for _ in range(3)),
                LOAD: (512 * rng.randint(1, 60),),
            }.get(kind, (rng.randint(1, 40000), rng.randint(0, 3)))
            words.append((kind, *size))
        elif choice < 0.55:
            words.append((SCALAR, rng.randint(1, 20)))
        elif choice < 0.72:
            flag = (rng.choice(pipes), rng.choice(pipes), rng.randint(0, 7))
            if flag[0] != flag[1] and flag not in pending:
                pending.append(flag)
                words.append((SET, *flag))
        elif choice < 0.9 and pending:
            words.append((WAIT, *pending.pop(rng.randrange(len(pending)))))
        elif choice < 0.94:
            words.append((BARRIER, rng.choice([pipe for pipe in [*pipes, ALL] if pipe != S])))
        elif choice < 0.97:
            words.append((CROSS_SET, rng.choice([M, MTE2]) if aic else MTE3, rng.randint(0, 1)))
        else:
            words.append((CROSS_WAIT, 2))  # replaced by match_cross
    return words


def match_cross(rng: random.Random, programs: list[list[Word]]) -> None:
    """Lets the cores meet a few times, in an order that cannot lock up."""
    for program in programs:
        program[:] = [w for w in program if w[0] not in (CROSS_SET, CROSS_WAIT)]
    for _ in range(6):
        flag = rng.randint(0, 3)
        aic, aivs = programs[0], programs[1:]
        setters, waiters = ([aic], aivs) if rng.random() < 0.5 else (aivs, [aic])
        for program in setters:
            program.append((CROSS_SET, rng.choice([MTE2, MTE3]), flag))
        for program in waiters:
            program.append((CROSS_WAIT, flag))
        for index, program in enumerate(programs):
            program.extend(
                w
                for w in random_program(rng, 20, index == 0)
                if w[0] not in (CROSS_SET, CROSS_WAIT)
            )


def cycles(sim: ModuleType, programs: list[list[Word]]) -> float:
    length = max(len(p) for p in programs)
    table = np.zeros((3, length, 6), np.int32)
    table[:, :, 0] = -1
    for core, program in enumerate(programs):
        for i, word in enumerate(program):
            table[core, i, : len(word)] = word
    timing = predict(sim, "timing_program", 1, [table, length])
    return float(timing.cycles)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(sim: ModuleType, seed: int) -> None:
    rng = random.Random(seed)
    programs = [random_program(rng, 120, core == 0) for core in range(3)]
    match_cross(rng, programs)
    print(f"seed {seed}")
    assert cycles(sim, programs) == pytest.approx(expected_cycles(programs), rel=1e-6)


def run_one(sim: ModuleType, program: Sequence[Word]) -> float:
    return cycles(sim, [list(program), [], []])


def test_pipes_overlap(sim: ModuleType) -> None:
    # Issued at 0 and 1; the slower one decides.
    assert run_one(sim, [(VECTOR, 100), (MMAD, 16, 16, 16)]) == 117


def test_barrier_waits_for_completion(sim: ModuleType) -> None:
    assert run_one(sim, [(VECTOR, 100), (VECTOR, 50)]) == 100 + 50 + 17
    assert run_one(sim, [(VECTOR, 100), (BARRIER, V), (VECTOR, 50)]) == 100 + 17 + 1 + 50 + 17


def test_full_queue_stops_the_scalar_unit(sim: ModuleType) -> None:
    """The 33rd instruction is issued when the first has left the queue, and so on."""
    few = [(VECTOR, 1000)] + [(VECTOR, 1)] * 32 + [(MMAD, 16, 16, 16)]
    many = [(VECTOR, 1000)] + [(VECTOR, 1)] * 33 + [(MMAD, 16, 16, 16)]
    assert run_one(sim, few) == 1000 + 32 + 17
    # One more: the Mmad is issued only when the second vector instruction has started, at 1000.
    assert run_one(sim, many) == 1000 + 1 + 8 + 60


def test_unit_flags_overlap_product_and_store(sim: ModuleType) -> None:
    """Four short products per core: unit flags let each store run beside the end of its product."""
    arguments = [2048, 1536, 512]
    without = predict(sim, "timing_matmul", 24, [*arguments, 0])
    with_flags = predict(sim, "timing_matmul", 24, [*arguments, 1])
    assert without.cycles - with_flags.cycles > 1000


def test_records_do_not_pile_up(sim: ModuleType) -> None:
    """Four times the work, about the same memory."""
    short = predict(sim, "timing_attention", 24, [6144, 8192, 512])
    long = predict(sim, "timing_attention", 24, [6144, 32768, 512])
    assert 0 < long.peak_records < 1.5 * short.peak_records
    assert long.peak_records < 72 * 4096
