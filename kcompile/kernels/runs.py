"""Instances sorted into runs: devices with the same ends next to each other, runs of one end after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BLOCK = 96
"""Rows that are visited together: at four vectors a row, voltages and currents of a block fill 48 KiB, the nearest cache."""

_FILLED = 4
"""Devices of a block at a held end, on average, from which on blocks are faster."""


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
    order = _order(ends, home, back)
    sorted_ends, sorted_back = ends[order], back[order]
    first = _firsts(sorted_ends)
    start = np.append(first, count)
    backward = np.concatenate([[0], np.cumsum(sorted_back)])
    middle = start[1:] - (backward[start[1:]] - backward[start[:-1]])
    return _runs(order, sorted_ends[first], home, start, middle)


def sort_one_by_one(ends: np.ndarray, home: int) -> Runs:
    """Runs of one instance each, sorted by the end that is held."""
    order = _order(ends, home, np.zeros(len(ends), dtype=bool))
    start = np.arange(len(ends) + 1)
    return _runs(order, ends[order], home, start, start[1:])


def sort_into_strips(ends: np.ndarray, home: int, lanes: int) -> Runs:
    """Strips of up to `lanes` instances with ends int[n, 2], as runs: one held end, others in one block of `lanes` rows.

    Blocks begin at row 1, after ground. order: int64[strips * lanes], instance at each lane, any where there is none; others:
    first row of each strip, that of ground below 0; start: bits of the lanes that hold an instance.
    """
    held, other = ends[:, home].astype(np.int64), ends[:, 1 - home].astype(np.int64)
    # Parallel devices are in strips of their own: one of each in a layer.
    order = np.lexsort((other, held))
    first = _firsts(ends[order])
    layer = np.empty(len(ends), dtype=np.int64)
    layer[order] = np.arange(len(ends)) - np.repeat(first, np.diff(np.append(first, len(ends))))
    block, lane = (other - 1) // lanes, (other - 1) % lanes
    order = np.lexsort((lane, layer, block, held))
    keys = np.stack([held, block, layer], axis=1)[order]
    firsts = _firsts(keys)
    strip = np.repeat(np.arange(len(firsts)), np.diff(np.append(firsts, len(ends))))
    places = np.zeros((len(firsts), lanes), dtype=np.int64)
    places[strip, lane[order]] = order
    bits = np.zeros(len(firsts), dtype=np.int64)
    np.add.at(bits, strip, 1 << lane[order])
    homes = _firsts(keys[firsts][:, [0]])
    arrays = (keys[firsts[homes], 0], np.append(homes, len(firsts)), keys[firsts, 1, None] * lanes + 1, bits, np.zeros(0))
    return Runs(places.reshape(-1), *(np.ascontiguousarray(array, dtype=np.int32) for array in arrays))


def _order(ends: np.ndarray, home: int, back: np.ndarray) -> np.ndarray:
    """Order by the end that is held; in blocks of the others where enough devices of a block share it."""
    others = [ends[:, k] for k in reversed(range(ends.shape[1])) if k != home]
    blocked = np.lexsort((back, *others, ends[:, home], *(other // _BLOCK for other in others)))
    if len(ends) >= _FILLED * len(_firsts(ends[blocked][:, [home]])):
        return blocked
    return np.lexsort((back, *others, ends[:, home]))


def _firsts(rows: np.ndarray) -> np.ndarray:
    """Places where a row differs from the one before."""
    changes = np.any(rows[1:] != rows[:-1], axis=1)
    return np.flatnonzero(np.concatenate([[True], changes])) if len(rows) else np.zeros(0, dtype=np.int64)


def _runs(order: np.ndarray, ends: np.ndarray, home: int, start: np.ndarray, middle: np.ndarray) -> Runs:
    """Runs from the ends of each run."""
    firsts = _firsts(ends[:, [home]])
    arrays = (ends[firsts, home], np.append(firsts, len(ends)), np.delete(ends, home, axis=1), start, middle)
    return Runs(order, *(np.ascontiguousarray(array, dtype=np.int32) for array in arrays))
