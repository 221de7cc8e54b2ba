"""The times of a clocked chip: its nodes are loaded, time slices follow each other, and outputs are read.

A clock is a line and its inverse. Slices do not overlap: between two of them no cell is connected, and nodes keep their voltages.
"""

from __future__ import annotations

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
    """load: seconds in which nodes are loaded; slices: seconds of each time slice."""

    load: float
    slices: tuple[float, ...]

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

    def window(self, phase: int | None) -> tuple[float, float]:
        """Seconds from and to which a slice lasts; without one, from the beginning of the first to the end of the last."""
        first, last = (0, -1) if phase is None else (phase, phase)
        return float(self.begins[first]), float(self.begins[last] + self.slices[last])


def corners(window: tuple[float, float], off: float, on: float) -> list[float]:
    """Times and volts, in turn, of a line that is at `on` in a window, and at `off` otherwise."""
    start, stop = window
    first = [0.0, on] if start == 0 else [0.0, off, start, off, start + EDGE, on]
    return [*first, stop, on, stop + EDGE, off]
