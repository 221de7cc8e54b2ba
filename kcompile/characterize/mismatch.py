"""How far cells of one drawing are apart, as the mismatch section of the models draws them.

Copies of a cell in one deck share their bias lines, so their spread is that of the cell alone; what their means do from deck to
deck is what the bias lines do to all cells at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from kcompile.characterize.conditions import Bench, Condition
from kcompile.characterize.constants import law_of
from kcompile.lower.columns import number
from kcompile.pdk.fit import Mismatch

COPIES = 40
DECKS = 12
STRENGTHS = (1, 4, 16)
STEP = 0.02
"""Volts between the points of a sweep."""


@dataclass(frozen=True, eq=False)
class Draws:
    """float64[copies] of one deck: volts of offset, share of gain, and what goes into both terminals more than the law says, over
    the full scale."""

    offset: np.ndarray
    gain: np.ndarray
    imbalance: np.ndarray


def measure_mismatch(bench: Bench, condition: Condition,
                     constants: Mapping[str, float]) -> tuple[Mismatch, dict[int, Mismatch]]:
    """Deviations of one unit, and those at each strength as they were drawn. condition: has the mismatch section of a corner;
    constants: of the law in that corner.

    One unit's are the mean over the strengths of deviations times the square root of the units. What bias lines do is the same
    for all strengths, and is taken from the strongest, whose own spread is the smallest.
    """
    by_strength = {}
    for strength in STRENGTHS:
        bench.watch(f"{bench.cell.name}: mismatch, {strength} units")
        by_strength[strength] = _spread([draw_cells(bench, condition, constants, strength, seed) for seed in range(1, DECKS + 1)])
    own = {name: float(np.mean([getattr(one, name) * np.sqrt(strength) for strength, one in by_strength.items()]))
           for name in ("offset", "gain", "imbalance")}
    last = by_strength[STRENGTHS[-1]]
    return Mismatch(**own, bias_gain=last.bias_gain, bias_imbalance=last.bias_imbalance), by_strength


def draw_cells(bench: Bench, condition: Condition, constants: Mapping[str, float], strength: int, seed: int) -> Draws:
    """Copies of a cell in one deck. Raises `ToolMissing`, `SimulatorFailed`."""
    signals, cell = bench.signals, bench.cell
    low, high = bench.range
    deck = bench.deck("mismatch", condition, bench.placed(strength) | {
        "title": f"mismatch of {cell.name}, {condition}", "copies": COPIES, "low": number(low), "high": number(high),
        "step": number(STEP), "seed": seed})
    vectors = [f"i({end}_{k})" for k in range(COPIES) for end in ("vs", "vd")]
    run = bench.run(deck, high, vectors)
    amperes = run.raw.columns(tuple(vectors)).reshape(-1, COPIES, 2) / (abs(strength) * bench.full_scale)
    return _taken_apart(bench, constants, strength, run.raw.time - signals.common_mode, amperes[:, :, 0].T, -amperes[:, :, 1].T)


def _taken_apart(bench: Bench, constants: Mapping[str, float], strength: int, volts: np.ndarray, into: np.ndarray,
                 out: np.ndarray) -> Draws:
    """Offset and gain of each copy that bring the law to the mean of its two currents, and half of what these are apart."""
    cell, unit = bench.cell, bench.full_scale
    law = law_of(cell.law_with(constants), ())
    found = []
    for one, other in zip(into, out, strict=True):
        mean = (one + other) / 2

        def distance(given: np.ndarray, mean: np.ndarray = mean) -> np.ndarray:
            flow = law(cell.units(strength), volts + given[0], np.zeros_like(volts))
            return (1 + given[1]) * flow / (abs(strength) * unit) - mean

        found.append((*least_squares(distance, np.zeros(2)).x, float(np.mean(one - other)) / 2))
    return Draws(*np.array(found).T)


def _spread(decks: Sequence[Draws]) -> Mismatch:
    """Standard deviations within decks, and of their means; these vary by the cells' own spread too, which is taken off."""
    def within(name: str) -> float:
        return float(np.sqrt(np.mean([np.var(getattr(one, name), ddof=1) for one in decks])))

    def between(name: str) -> float:
        means = np.var([np.mean(getattr(one, name)) for one in decks], ddof=1)
        return float(np.sqrt(max(means - within(name) ** 2 / COPIES, 0.0)))

    return Mismatch(within("offset"), within("gain"), within("imbalance"), between("gain"), between("imbalance"))
