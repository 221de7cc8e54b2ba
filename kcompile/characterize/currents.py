"""Currents of a cell with one or two terminals over all their voltages, as ngspice finds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kcompile.characterize.conditions import Bench, Condition
from kcompile.lower.columns import number


@dataclass(frozen=True, eq=False)
class CurrentMap:
    """float64[points]: voltages of both terminals against the common mode, the current into the cell at s and out of it at d,
    both over the full scale of the strength; units of strength and threshold, and the supply current in amperes. What goes into a
    cell with one terminal comes out of it at the supplies; d is 0 then."""

    units: tuple[int, int]
    s: np.ndarray
    d: np.ndarray
    into: np.ndarray
    out: np.ndarray
    supply: np.ndarray

    @property
    def imbalance(self) -> np.ndarray:
        """float64[points]: what goes in and does not come out."""
        return np.abs(self.into - self.out)


def measure_currents(bench: Bench, condition: Condition, units: tuple[int, int]) -> CurrentMap:
    """The map of a cell at one strength and threshold; raises `ToolMissing`, `SimulatorFailed`."""
    signals, cell = bench.signals, bench.cell
    assert cell.currents is not None
    low, high = bench.range
    deck = bench.deck("currents", condition, bench.placed(*units) | {
        "title": f"currents of {cell.name}, {condition}", "low": number(low), "high": number(high),
        "step": number(cell.currents.step)})
    vectors = [vector for end in bench.ends for vector in (f"v({end})", f"i(v{end})")]
    run = bench.run(deck, high, [*vectors, "i(vdd)"])
    s, into, *other, supply = run.raw.columns((*vectors, "i(vdd)")).T
    d, out = other or (np.full_like(s, signals.common_mode), -into)
    full = abs(units[0]) * bench.full_scale
    return CurrentMap(units, s - signals.common_mode, d - signals.common_mode, -into / full, out / full, -supply)
