"""Farads of a capacitor of gates over its voltage, as ngspice finds them, and how far a linear one is from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid
from scipy.optimize import least_squares

from kcompile.characterize.conditions import Bench, Condition
from kcompile.characterize.constants import Errors, Fitted
from kcompile.characterize.loads import FREQUENCY
from kcompile.lower.columns import number
from kcompile.pdk.cell import Plates
from kcompile.pdk.devices import block
from kcompile.pdk.fit import FittedPlates

SHARE = "SHARE"
"""Constant of the law of such a capacitor: its farads over those of the typical condition."""


@dataclass(frozen=True, eq=False)
class Farads:
    """Farads of one unit of each size at each voltage, float64[sizes, volts]; volts are against the common mode."""

    volts: np.ndarray
    farads: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """float64[sizes]: what the charge changes by over the range, for each volt."""
        return trapezoid(self.farads, self.volts, axis=1) / np.ptp(self.volts)


def fit_capacitor(bench: Bench, conditions: list[Condition]) -> tuple[FittedPlates, dict[Condition, Fitted]]:
    """The plates in the first condition, and in each the share of these that is left, with the distances of the farads at all
    sizes and voltages from it, as parts."""
    plates = bench.cell.plates
    assert isinstance(plates, Plates)
    found = {}
    for condition in conditions:
        bench.watch(f"{bench.cell.name}: capacitance, {condition}")
        found[condition] = measure_farads(bench, condition, plates)
    typical = found[conditions[0]]
    sizes = np.array(plates.sizes)
    area, edge = _plates(sizes, typical.mean)
    unit = area * np.prod(sizes + edge, axis=1)[:, None]
    width, length = plates.sizes[-1]
    gates = block(bench.cell, bench.cell.subcircuits[0], {"w": width, "l": length}, "").area
    shares = {condition: _share(one, typical, unit) for condition, one in found.items()}
    return FittedPlates(area, edge, float(typical.mean[-1]) / gates), shares


def measure_farads(bench: Bench, condition: Condition, plates: Plates) -> Farads:
    """Farads at all sizes of a cell; raises `ToolMissing`, `SimulatorFailed`."""
    cell, (low, high) = bench.cell, bench.range
    name = cell.subcircuits[0]
    volts = np.linspace(low, high, round((high - low) / plates.step) + 1)
    deck = bench.deck("capacitance", condition, {
        "title": f"capacitance of {cell.name}, {condition}", "volts": [number(one) for one in volts], "subcircuit": name,
        "lines": ["0" if pin == "vss" else pin for pin in cell.pins[name][1:]], "frequency": number(FREQUENCY),
        "sizes": [f"w={width:g} l={length:g}" for width, length in plates.sizes]})
    vectors = tuple(f"i(v_{row}_{k})" for row in range(len(plates.sizes)) for k in range(len(volts)))
    run = bench.run(deck, FREQUENCY, vectors)
    farads = -run.raw.columns(vectors)[0].imag / (2 * np.pi * FREQUENCY)
    return Farads(volts - bench.signals.common_mode, farads.reshape(len(plates.sizes), len(volts)))


def _plates(sizes: np.ndarray, farads: np.ndarray) -> tuple[float, float]:
    """Area and edge that come closest to farads of sizes, float64[n, 2], in parts of these."""
    first = float(np.max(farads / np.prod(sizes, axis=1)))
    found = least_squares(lambda at: first * at[0] * np.prod(sizes + at[1], axis=1) / farads - 1, [1.0, 0.1])
    return first * float(found.x[0]), float(found.x[1])


def _share(one: Farads, typical: Farads, unit: np.ndarray) -> Fitted:
    share = float(np.mean(one.mean / typical.mean))
    errors = np.abs(one.farads / (share * unit) - 1)
    constants: Mapping[str, float] = {SHARE: share}
    return Fitted(constants, Errors(float(errors.max()), float(np.quantile(errors, 0.95)), float(np.median(errors)), 0.0))
