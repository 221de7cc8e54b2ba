"""How far cells of one drawing are apart, as the mismatch section of the models draws them.

Copies of a cell in one deck share their bias lines, so their spread is that of the cell alone; what their means do from deck to
deck is what the bias lines do to all cells at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from kcompile.characterize.conditions import Bench, Condition
from kcompile.characterize.constants import law_of
from kcompile.characterize.currents import common_view
from kcompile.lower.columns import number
from kcompile.pdk.load import load_pdk
from kcompile.render import render
from kcompile.units import VOLTAGE
from kcompile.verify.deck import Deck
from kcompile.verify.run_ngspice import run_ngspice

COPIES = 100
STEP = 0.02
"""Volts between the points of a sweep."""


@dataclass(frozen=True, eq=False)
class Draws:
    """float64[copies] of one deck: volts of offset, share of gain, and what goes in at each terminal more than the law says, over
    the full scale."""

    strength: int
    offset: np.ndarray
    gain: np.ndarray
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class Spread:
    """Standard deviations at one strength: of the cells around their bias lines, and of the means of decks, which the bias lines
    move; offset in volts, gain and imbalance as shares of full scale."""

    strength: int
    offset: float
    gain: float
    imbalance: float
    bias_gain: float
    bias_imbalance: float


def draw_cells(bench: Bench, condition: Condition, strength: int, seed: int) -> Draws:
    """Copies of a cell in one deck; `condition` has the mismatch section of a corner. Raises `ToolMissing`, `SimulatorFailed`."""
    signals, cell = bench.signals, bench.cell
    limit = load_pdk(cell.pdk).limits[VOLTAGE]
    view = common_view(bench, condition, strength)
    files = bench.files(condition.corner)
    low, high = signals.common_mode + limit.lower, signals.common_mode + limit.upper
    main = render("cells/mismatch.cir.j2", {
        **view, "title": f"mismatch of {cell.name}, {condition}", "files": list(files), "lines": view["pins"][2:], "copies": COPIES,
        "low": number(low), "high": number(high), "step": number(STEP), "seed": seed})
    vectors = [f"i({end}_{k})" for k in range(COPIES) for end in ("vs", "vd")]
    run = run_ngspice(Deck("main.cir", {"main.cir": main, **files}), until=high, expected=vectors)
    full = abs(strength) * signals.unit_current
    amperes = run.raw.columns(tuple(vectors)).reshape(-1, COPIES, 2) / full
    difference = run.raw.time - signals.common_mode
    return _taken_apart(bench, strength, difference, amperes[:, :, 0].T, -amperes[:, :, 1].T)


def _taken_apart(bench: Bench, strength: int, difference: np.ndarray, into: np.ndarray, out: np.ndarray) -> Draws:
    """Offset and gain of each copy that bring the law to the mean of its two currents, and what is left at each terminal."""
    cell, unit = bench.cell, bench.signals.unit_current
    law, constants = law_of(cell.law, ()), {}
    found = []
    for one, other in zip(into, out, strict=True):
        mean = (one + other) / 2

        def distance(given: np.ndarray, mean: np.ndarray = mean) -> np.ndarray:
            shifted = difference + given[0]
            flow = law(constants, cell.strength, float(strength), shifted, np.zeros_like(shifted))
            return (1 + given[1]) * flow / (abs(strength) * unit) - mean

        offset, gain = least_squares(distance, np.zeros(2)).x
        found.append((offset, gain, float(np.mean(one - mean)), float(np.mean(mean - other))))
    return Draws(strength, *np.array(found).T)


def spread_of(decks: Sequence[Draws]) -> Spread:
    """Standard deviations within decks and between them."""
    def within(name: str) -> float:
        return float(np.sqrt(np.mean([np.var(getattr(one, name), ddof=1) for one in decks])))

    def between(name: str) -> float:
        return float(np.std([np.mean(getattr(one, name)) for one in decks], ddof=1))

    return Spread(decks[0].strength, within("offset"), within("gain"), within("left"), between("gain"), between("left"))
