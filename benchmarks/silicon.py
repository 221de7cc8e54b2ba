"""Circuits on the transistors of SkyWater 130: laws of cells against their transistors, and trained networks in ngspice.

    python -m benchmarks.silicon
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import chi2, t

import kcompile as kc
from benchmarks.row import Row, table
from benchmarks.trained import ROOT, read_example
from kcompile.ir.circuit import Circuit
from kcompile.pdk.cell import load_cells
from kcompile.pdk.fit import read_fit
from kcompile.report.monte_carlo import draw_laws, draw_transistors
from kcompile.train.encoding import make_encoding
from kcompile.train.recipe import Recipe, read_recipe
from kcompile.verify.transistors import Confirmation, confirm

POINTS = 200
MISMATCH_POINTS, LAW_DRAWS, TRANSISTOR_DRAWS = 8, 1000, 20
FRESH = 12345
"""Seed of points that no training has seen."""


@dataclass(frozen=True, eq=False)
class Decided:
    """Points on laws and on transistors: int64[points] classes of both, and of the points themselves; float64[points] volts by
    which the laws decide."""

    report: Confirmation
    laws: np.ndarray
    transistors: np.ndarray
    classes: np.ndarray
    margin: np.ndarray


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    yield from cells()
    yield from moons()
    yield from mismatch()


def cells() -> Iterator[Row]:
    """The fits that stand beside the cells."""
    for cell in load_cells("sky130").values():
        if cell.currents is not None:
            fit = read_fit(cell.folder)
            typical = fit.errors["tt", 27.0]
            said = " / ".join(f"{100 * typical[key]:.2g}" for key in ("worst", "most", "median"))
            yield Row(f"`{cell.name}`: law against transistors over the range, tt at 27 C, worst / 95 % / median",
                      "<= 0.5 / - / 0.1 % of full scale", f"{said} %", typical["worst"] <= 5e-3 and typical["median"] <= 1e-3)
            worst = max(one["worst"] for one in fit.errors.values())
            yield Row(f"`{cell.name}`: the worst of {len(fit.errors)} corners and temperatures, each with its own constants", "",
                      f"{100 * worst:.2g} % of full scale")
            balance = max(one["imbalance"] for one in fit.errors.values())
            yield Row(f"`{cell.name}`: currents of both terminals apart, worst of all corners and temperatures",
                      "<= 1 % of full scale", f"{100 * balance:.2g} %", balance <= 0.01)


def moons() -> Iterator[Row]:
    """The two moons that examples/two_moons_sky130.kc tells apart, on fresh points."""
    found = decide(POINTS)
    error = found.report.error
    median, most, worst = float(np.median(error)), float(np.quantile(error, 0.95)), float(error.max())
    name = f"two moons on transistors, {POINTS} fresh points"
    yield Row(f"{name}: distance of all waveforms from the laws, median / 95 % / worst of the swing", "<= 0.3 / 2 % / -",
              f"{100 * median:.2g} / {100 * most:.2g} / {100 * worst:.2g} %", median <= 3e-3 and most <= 0.02)
    ends = found.report.error[:, -1] * found.report.swing
    safe = found.margin > 2 * ends.max()
    same = found.laws == found.transistors
    yield Row(f"{name}: decided alike wherever the margin exceeds the error", "all", f"{np.sum(same & safe)} of {np.sum(safe)}",
              bool(np.all(same[safe])))
    native, silicon = (100 * float(np.mean(one == found.classes)) for one in (found.laws, found.transistors))
    yield Row(f"{name}: accuracy of laws / transistors", "within 1 point", f"{native:.1f} / {silicon:.1f} %",
              abs(native - silicon) <= 1.0)
    power = float(found.report.power.mean())
    yield Row(f"{name}: power, energy of one run, seconds of ngspice for a point", "",
              f"{1e6 * power:.3g} uW, {1e12 * power * found.report.until:.3g} pJ, {found.report.seconds / POINTS:.2g} s")


def mismatch() -> Iterator[Row]:
    """The same network with transistors that are apart: specimens on laws and in ngspice, at the same points."""
    circuit, recipe, volts, classes = fresh(MISMATCH_POINTS)
    laws = draw_laws(circuit, volts, LAW_DRAWS, seed=0, recipe=recipe)
    transistors = draw_transistors(circuit, volts, range(1, TRANSISTOR_DRAWS + 1), watch=_said)
    name = f"two moons, {MISMATCH_POINTS} points, {LAW_DRAWS:,} specimens on laws and {TRANSISTOR_DRAWS} on transistors"
    ratio = transistors.spread / laws.spread
    # The variance of so few draws is that of a chi-squared variable; each end voltage has an interval of its own.
    low, high = np.sqrt(chi2.ppf([0.025, 0.975], TRANSISTOR_DRAWS - 1) / (TRANSISTOR_DRAWS - 1))
    inside = np.mean((ratio > low) & (ratio < high))
    yield Row(f"{name}: spread of end voltages, transistors over laws, median; inside the 95 % interval of so few draws",
              "agree", f"{np.median(ratio):.2f}; {100 * inside:.0f} % of {ratio.size}", bool(inside >= 0.9))
    apart = transistors.ends.mean(axis=0) - laws.ends.mean(axis=0)
    error = transistors.spread * t.ppf(0.975, TRANSISTOR_DRAWS - 1) / np.sqrt(TRANSISTOR_DRAWS)
    within = np.mean(np.abs(apart) <= error)
    yield Row(f"{name}: means of end voltages inside the 95 % interval", "agree", f"{100 * within:.0f} % of {apart.size}",
              bool(within >= 0.9))
    found = [100 * one.accuracies(classes) for one in (laws, transistors)]
    yield Row(f"{name}: accuracy, mean over specimens on laws / transistors", "",
              " / ".join(f"{one.mean():.1f} +- {one.std(ddof=1):.1f}" for one in found) + " %")


def fresh(points: int) -> tuple[Circuit, Recipe, np.ndarray, np.ndarray]:
    """The trained network with its recipe, and points that it has not seen: volts [points, inputs] and classes."""
    from sklearn.datasets import make_moons

    example = read_example(ROOT / "examples" / "two_moons_sky130.toml")
    recipe = read_recipe(example.recipe)
    circuit = kc.compile(example.program, weights=example.weights)
    inputs, classes = make_moons(points, noise=0.1, random_state=FRESH)
    return circuit, recipe, make_encoding(example.samples(recipe), recipe).volts(torch.from_numpy(inputs)).numpy(), classes


def decide(points: int) -> Decided:
    """Fresh points on laws and transistors."""
    circuit, _, volts, classes = fresh(points)
    report = confirm(circuit, list(volts), watch=_said)
    outputs = [report.names.index(circuit.nodes.name(int(node))) for node in circuit.outputs]
    laws, transistors = (one[:, -1, outputs] for one in (report.laws, report.transistors))
    margin = np.abs(laws[:, 1] - laws[:, 0])
    return Decided(report, laws.argmax(axis=1), transistors.argmax(axis=1), classes, margin)


def _said(done: int, total: int) -> None:
    print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(table(rows()))
