"""Timing functions against each other in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

Clock = Callable[[], float]  # seconds

MIN_ROUNDS = 5
SAMPLE_SECONDS = 0.01  # a sample repeats its function until it lasts about this long


@dataclass(frozen=True)
class Timing:
    """Seconds per call over the samples of one contestant."""

    best: float
    median: float
    mad: float  # median absolute deviation
    samples: int
    calls_per_sample: int

    def as_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Race:
    """Timings by contestant, and the samples they come from, taken in turns."""

    timings: dict[str, Timing]
    samples: dict[str, list[float]]

    def ratio(self, slow: str, fast: str) -> tuple[float, float]:
        """How many times faster `fast` is than `slow`: median over rounds, and its MAD.

        Both samples of a round were taken one after the other, so a slow phase of the machine
        hits both and leaves their ratio alone.
        """
        rounds = [a / b for a, b in zip(self.samples[slow], self.samples[fast], strict=True)]
        return statistics.median(rounds), _mad(rounds)


def race(
    contestants: Mapping[str, Callable[[], object]],
    seconds: float,
    clock: Clock = time.perf_counter,
    rounds: int = MIN_ROUNDS,
) -> Race:
    """Times every contestant for about `seconds` in all; they take turns in changing order.

    Everyone has at least `rounds` turns.
    """
    repeats = {name: _calibrate(call) for name, call in contestants.items()}
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    end = time.perf_counter() + seconds
    done = 0
    while done < rounds or time.perf_counter() < end:
        for name in order:
            samples[name].append(_sample(contestants[name], repeats[name], clock))
        order.append(order.pop(0))
        done += 1
    timings = {name: _summary(values, repeats[name]) for name, values in samples.items()}
    return Race(timings, samples)


def _calibrate(call: Callable[[], object]) -> int:
    call()  # whatever is done once (allocation, look-up of kernels) is not measured
    start = time.perf_counter()
    call()
    return max(1, int(SAMPLE_SECONDS / max(time.perf_counter() - start, 1e-7)))


def _sample(call: Callable[[], object], repeats: int, clock: Clock) -> float:
    start = clock()
    for _ in range(repeats):
        call()
    return (clock() - start) / repeats


def _summary(samples: list[float], repeats: int) -> Timing:
    median = statistics.median(samples)
    return Timing(min(samples), median, _mad(samples), len(samples), repeats)


def _mad(values: list[float]) -> float:
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)
