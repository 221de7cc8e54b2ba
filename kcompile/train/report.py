"""What a trained circuit does beyond the steps it was trained with: figures, voltages of every node, with and without rails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kcompile.diagnostics import SimulatorFailed
from kcompile.ir.circuit import Circuit
from kcompile.sim.stability import Stability
from kcompile.train.clamp import steps_for_clamps
from kcompile.train.data import Data, Part
from kcompile.train.judge import judge, make_module, peaks
from kcompile.train.objective import Objective
from kcompile.train.rails import ideal_rails
from kcompile.train.recipe import Recipe
from kcompile.units import format_engineering

FINE_STEPS = 20
MAX_SAMPLES = 1000
"""Samples whose voltages are looked at."""
_FINER = 4
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Figures:
    """(loss, figure) of the parts of the data, by name, with some steps in each time slice and a kind of rail."""

    steps: int
    rail: str
    parts: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """Figures as trained of all parts; at 20 steps of the part held out; with clamps of the samples seen there.

    peaks: float64[nodes] in volts at four times the steps or what the clamps need, with clamps and without. A peak is the
    largest absolute voltage over some samples and all steps, inf where a voltage blows up. Without rails clamped and
    clamped_peaks are None. stability: of the steps of the training, for voltages that reach the peaks with clamps, where there
    are clamps, and are inside ideal rails.
    """

    figure: str
    trained: Figures
    fine: Figures
    clamped: Figures | None
    nodes: tuple[str, ...]
    peak_steps: int
    samples: int
    peaks: np.ndarray
    clamped_peaks: np.ndarray | None
    stability: Stability

    @property
    def figures(self) -> tuple[Figures, ...]:
        return (self.trained, self.fine) if self.clamped is None else (self.trained, self.fine, self.clamped)

    def record(self) -> dict[str, Any]:
        """JSON-ready form; what is no finite number is null."""
        parts = [{"steps": one.steps, "rail": one.rail, **{name: {"loss": _finite(loss), self.figure: _finite(score)}
                                                           for name, (loss, score) in one.parts.items()}} for one in self.figures]
        return {"figure": self.figure, "parts": parts,
                "peaks": {"steps": self.peak_steps, "samples": self.samples, "with_clamps": self._by_node(self.clamped_peaks),
                          "without": self._by_node(self.peaks)},
                "stability": {"fastest_rate": _finite(float(self.stability.rates.max())),
                              "share_of_longest_stable_step": _finite(self.stability.share)}}

    def _by_node(self, values: np.ndarray | None) -> dict[str, float | None] | None:
        return None if values is None else {name: _finite(float(v)) for name, v in zip(self.nodes, values, strict=True)}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def examine(circuit: Circuit, data: Data, objective: Objective) -> TrainingReport:
    """Report of a trained circuit; beside the figures as trained it is of the test part, or of the training part without one."""
    recipe = objective.recipe
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    name = "test" if data.test.count else "train"
    held = parts[name]
    seen = Part(held.inputs[:MAX_SAMPLES], held.targets[:MAX_SAMPLES])
    bare, _, _ = ideal_rails(circuit)
    railed = len(bare.tables) < len(circuit.tables)
    fine = replace(recipe, rail="clamp", steps=max(_FINER * recipe.steps, steps_for_clamps(circuit, recipe)))

    def highest(one: Circuit) -> np.ndarray:
        return peaks(make_module(one, fine), one, objective, seen)

    free, clamped = highest(bare), highest(circuit) if railed else None
    reached = free if clamped is None else clamped
    return TrainingReport(
        objective.figure, _figures(circuit, parts, objective, recipe),
        _figures(circuit, {name: held}, objective, replace(recipe, steps=FINE_STEPS)),
        _figures(circuit, {name: seen}, objective, fine) if railed else None,
        circuit.nodes.names[1:], fine.steps, seen.count, free, clamped, make_module(circuit, recipe).stability(-reached, reached))


def _figures(circuit: Circuit, parts: Mapping[str, Part], objective: Objective, recipe: Recipe) -> Figures:
    module = make_module(circuit, recipe)
    found = {}
    for name, part in parts.items():
        try:
            loss, score = judge(module, circuit, objective, part)
        except SimulatorFailed:  # other steps than those of the training have no solution
            loss, score = np.nan, np.nan
        if loss is not None and score is not None:
            found[name] = loss, score
    return Figures(recipe.steps, recipe.rail, found)


def show_report(report: TrainingReport) -> str:
    """The report as lines for people."""
    lines = []
    for one in report.figures:
        said = [f"{name} loss {loss:.4g}, {format_figure(report.figure, score)}" for name, (loss, score) in one.parts.items()]
        rails = "" if report.clamped is None else f", {one.rail} rails"
        lines.append(f"{one.steps} steps{rails}: {'; '.join(said)}")
    lines.append(f"highest voltages at {report.peak_steps} steps, {report.samples} samples:")
    if report.clamped_peaks is not None:
        lines.append(f"  with clamps: {_highest(report, report.clamped_peaks)}")
    lines.append(f"  without: {_highest(report, report.peaks)}")
    lines.append(_stable(report.stability))
    return "\n".join(lines)


def _stable(found: Stability) -> str:
    if np.isinf(found.reach):
        return "stable: the steps are implicit"
    if not np.isfinite(found.share):
        return "not proved stable: the rates have no bound within these voltages"
    rates = f"rates are at most {found.rates.max():.3g}/s within these voltages"
    if found.share <= 1.0:
        return f"stable: {rates}, and the steps take {found.share:.2g} of what is stable at any of them"
    return f"not proved stable: {rates}, and the steps are {found.share:.3g} times what is stable at all of them"


def format_figure(figure: str, score: float) -> str:
    """A figure for people: an accuracy in per cent."""
    return f"accuracy {100 * score:.2f} %" if figure == "accuracy" else f"rms error {score:.4g}"


def _highest(report: TrainingReport, values: np.ndarray) -> str:
    order = np.argsort(-values, kind="stable")[:_SHOWN]
    return ", ".join(f"{report.nodes[k]} {format_engineering(float(values[k]), 'V', 3)}" for k in order)
