"""Capacitance with which a cell loads the nodes at its terminals, as ngspice finds it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from kcompile.characterize.conditions import Bench, Condition
from kcompile.lower.columns import number

FREQUENCY = 1e6
"""Hertz: above what conductances hide, below every pole of a cell."""


@dataclass(frozen=True)
class Load:
    """Farads of one unit at a terminal, the other one held: in the middle of the range, the least and the most within it; and
    between both terminals in the middle. Of a cell whose bits say its strength, farads of the whole cell."""

    middle: float
    least: float
    most: float
    mutual: float


def measure_load(bench: Bench, condition: Condition, strength: int, threshold: int = 0) -> Load:
    """Load of a cell in the middle and at the corners of the range of its terminals, for each unit of its strength."""
    signals, cell, ends = bench.signals, bench.cell, bench.ends
    middle, count = signals.common_mode, len(ends)
    vectors = tuple(f"i(v{end})" for end in ends)
    own, mutual = [], []
    for volts in ([middle] * count, *itertools.product(bench.range, repeat=count)):
        for driven in range(count):
            deck = bench.deck("admittance", condition, bench.placed(strength, threshold) | {
                "title": f"load of {cell.name}, {condition}", "volts": [number(one) for one in volts], "driven": driven,
                "frequency": number(FREQUENCY)})
            run = bench.run(deck, FREQUENCY, vectors)
            farads = -run.raw.columns(vectors)[0].imag / (2 * np.pi * FREQUENCY) / cell.weight(strength)
            own.append(farads[driven])
            mutual += [one for k, one in enumerate(farads) if k != driven]
    return Load(float(np.mean(own[:count])), float(np.min(own)), float(np.max(own)), float(np.mean(mutual[:2] or [0.0])))


def measure_programmed(bench: Bench, condition: Condition) -> Load:
    """Load of a cell whose bits say its strength, the mean of all bits on, with either sign, and off: its capacitor is drawn
    before anyone knows the bits."""
    full = (1 << bench.cell.bits) - 1
    loads = [measure_load(bench, condition, strength) for strength in (-full, 0, full)]
    middle = float(np.mean([one.middle for one in loads]))
    return Load(middle, min(one.least for one in loads), max(one.most for one in loads), 0.0)
