"""Instances sorted into runs: devices with the same ends next to each other, runs of one end after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Runs:
    """Devices in the order a kernel visits them.

    order: int64[n], instance at each place; home, runs: int32, end held in registers and first run of each, one more at the
    end; others: int32[runs, ends - 1]; start, middle: int32, first device of each run and first of those that point back.
    """

    order: np.ndarray
    home: np.ndarray
    runs: np.ndarray
    others: np.ndarray
    start: np.ndarray
    middle: np.ndarray

    @property
    def count(self) -> int:
        return len(self.order)


def sort_into_runs(ends: np.ndarray, home: int, pairs: bool) -> Runs:
    """Runs of instances with ends int[n, ends]; `home` is the end held; `pairs`: both orientations share a run."""
    count = len(ends)
    back = np.zeros(count, dtype=bool)
    if pairs:
        # The node with fewer neighbours is held: the other one is wanted by many and stays in the cache.
        low, high = ends.min(axis=1).astype(np.int64), ends.max(axis=1).astype(np.int64)
        size = int(high.max(initial=0)) + 1
        keys = np.unique(low * size + high)
        degree = np.bincount(keys // size, minlength=size) + np.bincount(keys % size, minlength=size)
        held = np.where(degree[low] < degree[high], low, high)
        other = low + high - held
        back = ends[:, home] != held
        ends = np.empty_like(ends)
        ends[:, home], ends[:, 1 - home] = held, other
    rest = [k for k in range(ends.shape[1]) if k != home]
    order = np.lexsort((back, *(ends[:, k] for k in reversed(rest)), ends[:, home]))
    sorted_ends, sorted_back = ends[order], back[order]
    changes = np.any(sorted_ends[1:] != sorted_ends[:-1], axis=1)
    first = np.flatnonzero(np.concatenate([[True], changes])) if count else np.zeros(0, dtype=np.int64)
    start = np.append(first, count)
    backward = np.concatenate([[0], np.cumsum(sorted_back)])
    middle = start[1:] - (backward[start[1:]] - backward[start[:-1]])
    of_run = sorted_ends[first, home]
    firsts = np.flatnonzero(np.concatenate([[True], of_run[1:] != of_run[:-1]])) if len(first) else np.zeros(0, dtype=np.int64)

    def small(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array, dtype=np.int32)

    return Runs(order, small(of_run[firsts]), small(np.append(firsts, len(first))), small(sorted_ends[first][:, rest]),
                small(start), small(middle))
