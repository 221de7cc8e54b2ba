"""Where the mismatch of a circuit of cells comes from, and whose area buys most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import norm

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.pdk.devices import block
from kcompile.pdk.mismatch import DRAWN, Lot, make_lot
from kcompile.report.propagation import cells_of, propagate
from kcompile.train.data import Part
from kcompile.train.objective import Objective

SOURCES = (*DRAWN, "bias gain", "bias imbalance")
BIAS = "bias lines"
_LEAST = np.finfo(float).tiny


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """To first order: outputs move in proportion to deviations, which are normal.

    sources: float64[5], volts of spread that each of `SOURCES` gives the outputs, rms over outputs and samples; expected: the
    figure, its mean over specimens. By cell, and for the bias lines last: names; areas of gates in square micrometres; shares of
    the variance of what decides, the mean over samples; gains, how much better the figure is where only this area is doubled.
    """

    sources: np.ndarray
    expected: float
    names: tuple[str, ...]
    areas: np.ndarray
    shares: np.ndarray
    gains: np.ndarray


def find_sensitivity(circuit: Circuit, objective: Objective, part: Part, volts: torch.Tensor) -> Sensitivity:
    """Sensitivity of a circuit of cells on samples, which start from these voltages, [samples, inputs].

    A class is found where it is ahead of the next one: with a margin m of variance v, in normal_cdf(m / sqrt v) of the specimens.
    The mean square error of numbers is that of equal cells and the variance. Variance falls as area grows (Pelgrom et al., JSSC
    24(5), 1989), so that twice the area of a cell leaves half of what it gives.
    """
    labels, lot = objective.recipe.labels, make_lot(circuit)
    # Values are linear in the outputs, and numbers in the values.
    unit = 1.0 if labels else objective.encoding.target_gain[:, None]
    reads = unit * objective.values(torch.eye(len(circuit.outputs), dtype=torch.float64)).T.numpy()
    targets = part.targets if labels else part.targets - objective.encoding.target_offset
    names, areas = _areas(circuit, lot)
    sources, shares, doubled, now = np.zeros(5), np.zeros(len(names)), np.zeros(len(names)), 0.0
    for one, target in zip(propagate(lot, objective.recipe, volts), targets, strict=True):
        sources += [*np.square(one.own).sum(axis=2).mean(axis=0), *np.square(one.shared).mean(axis=0)]
        values = one.times(reads)
        if labels:
            values = values.times(_ahead(values.nominal, int(target)))
        variances = values.variances.mean(axis=0)
        distance, score = (values.nominal[0], _found) if labels else (values.nominal - target, _square_error)
        total = variances.sum()
        shares += variances / max(total, _LEAST) / part.count
        now += float(score(distance, total)) / part.count
        doubled += score(distance, total - variances / 2) / part.count
    expected, gains = (now, doubled - now) if labels else (np.sqrt(now), np.sqrt(now) - np.sqrt(doubled))
    return Sensitivity(np.sqrt(sources / part.count), float(expected), names, areas, shares, gains)


def _ahead(values: np.ndarray, target: int) -> np.ndarray:
    """Row [1, values] that takes the highest other value from that of the class."""
    row = np.zeros((1, len(values)))
    row[0, target] = 1.0
    row[0, np.where(np.arange(len(values)) == target, -np.inf, values).argmax()] = -1.0
    return row


def _found(margin: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return norm.cdf(margin / np.sqrt(np.maximum(variance, _LEAST)))


def _square_error(error: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return np.square(error).mean() + variance


def _areas(circuit: Circuit, lot: Lot) -> tuple[tuple[str, ...], np.ndarray]:
    names, areas = [], []
    for table, cell in cells_of(lot):
        units = table.params[cell.strength]
        thresholds = table.params[cell.threshold] if cell.threshold else np.zeros_like(units)
        for row, form in enumerate(cell.form(units, thresholds).tolist()):
            names.append(table.name(row))
            areas.append(block(cell, cell.subcircuits[form], cell.sizes(units[row], thresholds[row]), "").area)
    chip = Chip(circuit, BenchOptions(until=circuit.duration or 1.0))
    shared = [part for part in chip.parts if part.cell.name == "bias"]
    return (*names, BIAS), np.array([*areas, sum(block(one.cell, one.subcircuit, one.values, "").area for one in shared)])
