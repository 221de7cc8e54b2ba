"""Capacitance with which a cell loads the nodes at its terminals, as ngspice finds it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from kcompile.characterize.conditions import Bench, Condition
from kcompile.lower.columns import number
from kcompile.verify.run_ngspice import run_ngspice

FREQUENCY = 1e6
"""Hertz: above what conductances hide, below every pole of a cell."""


@dataclass(frozen=True)
class Load:
    """Farads of one unit at a terminal, the other one held: in the middle of the range, the least and the most within it; and
    between both terminals in the middle."""

    middle: float
    least: float
    most: float
    mutual: float


def measure_load(bench: Bench, condition: Condition, strength: int, threshold: int = 0) -> Load:
    """Load of a cell in the middle and at the corners of the range of its terminals, for each unit of its strength."""
    signals, cell = bench.signals, bench.cell
    middle, ends = signals.common_mode, bench.range
    own, mutual = [], []
    for s, d in ((middle, middle), *itertools.product(ends, ends)):
        for driven in ((1, 0), (0, 1)):
            deck = bench.deck("admittance", condition, (strength, threshold), {
                "title": f"load of {cell.name}, {condition}", "s": number(s), "d": number(d), "driven": driven,
                "frequency": number(FREQUENCY)})
            run = run_ngspice(deck, until=FREQUENCY, expected=["i(vs)", "i(vd)"])
            farads = -run.raw.columns(("i(vs)", "i(vd)"))[0].imag / (2 * np.pi * FREQUENCY) / abs(strength)
            own.append(farads[0 if driven[0] else 1])
            mutual.append(farads[1 if driven[0] else 0])
    return Load(float(np.mean(own[:2])), float(np.min(own)), float(np.max(own)), float(np.mean(mutual[:2])))
