"""Variants that take turns on one core, so that their ratios hold on a busy machine."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

ROUNDS, SECONDS = 5, 0.7


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and every library that makes its threads from now on, to one thread on one core."""
    threads, cores = torch.get_num_threads(), os.sched_getaffinity(0)
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)


def take_turns(runs: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each variant in each round: the fastest of its turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(_seconds(run))
    return times


def ratio(long: Sequence[float], short: Sequence[float]) -> float:
    """Median over the rounds of one variant's time over another's."""
    return statistics.median(a / b for a, b in zip(long, short, strict=True))


def fastest(times: Mapping[str, Sequence[float]], names: Iterable[str]) -> str:
    """That of some variants with the smallest median."""
    return min(names, key=lambda name: statistics.median(times[name]))


def _seconds(run: Callable[[], object]) -> float:
    """Fastest of the runs in `SECONDS`."""
    run()
    found, stop = [], time.perf_counter() + SECONDS
    while time.perf_counter() < stop or not found:
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)
