"""The times of a clocked chip: its nodes are loaded, time slices follow each other, and outputs are read.

A clock is a line and its inverse. Slices do not overlap: between two of them no cell is connected, and nodes keep their voltages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

EDGE = 1e-9
"""Seconds in which a clock rises or falls."""
GAP = 5e-9
"""Seconds between the clocks of two slices."""
LOADING = 12.0
"""Time constants of the switches that load a node, after which 6e-6 of the voltage are left."""
READING = 2e-6
"""Seconds from the end of the last slice until outputs have settled."""


@dataclass(frozen=True)
class Clocks:
    """load: seconds in which nodes are loaded; slices: seconds of each time slice; high: volts of a clock that is on."""

    load: float
    slices: tuple[float, ...]
    high: float

    @cached_property
    def begins(self) -> np.ndarray:
        """float64[slices], seconds at which each slice begins, on the clock of the chip."""
        return self.load + GAP + np.concatenate([[0.0], np.cumsum(self.slices)[:-1]]) + GAP * np.arange(len(self.slices))

    @property
    def end(self) -> float:
        """Seconds until the outputs can be read."""
        return float(self.begins[-1] + self.slices[-1]) + READING

    def chip_times(self, times: np.ndarray) -> np.ndarray:
        """Seconds on the clock of the chip of times of the program; what lies between two slices belongs to the earlier one."""
        ends = np.cumsum(self.slices)
        at = np.searchsorted(ends, np.asarray(times) * (1 - 1e-12), side="left").clip(0, len(ends) - 1)
        return self.begins[at] + (times - np.concatenate([[0.0], ends[:-1]])[at])

    def windows(self, names: Sequence[str]) -> Mapping[str, tuple[float, float]]:
        """Seconds from and to which each clock is on: `load`, and the slices by their names."""
        spans = zip(self.begins.tolist(), self.slices, strict=True)
        slices = {name: (start, start + length) for name, (start, length) in zip(names, spans, strict=True)}
        return {"load": (0.0, self.load), **slices}

    def corners(self, window: tuple[float, float], inverse: bool) -> list[float]:
        """Times and volts, in turn, of a clock that is on in a window."""
        start, stop = window
        off, on = (self.high, 0.0) if inverse else (0.0, self.high)
        first = [0.0, on] if start == 0 else [0.0, off, start, off, start + EDGE, on]
        return [*first, stop, on, stop + EDGE, off]
