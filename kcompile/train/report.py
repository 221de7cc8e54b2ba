"""What a trained circuit does beyond the steps it was trained with: figures, voltages of every node, with and without rails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.train.data import Data, Part
from kcompile.train.judge import judge, make_module, peaks
from kcompile.train.objective import Objective
from kcompile.train.rails import ideal_rails
from kcompile.units import format_engineering

FINE_STEPS = 20
MAX_SAMPLES = 1000
"""Samples whose voltages are looked at."""
_FINER = 4
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Figures:
    """(loss, figure) of the parts of the data, by name, with some number of steps in each time slice."""

    steps: int
    parts: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """Figures as trained and at 20 steps; peaks float64[nodes] in volts at four times the steps, None without rails.

    A peak is the largest absolute voltage over some samples and all steps, inf where a voltage blows up.
    """

    figure: str
    trained: Figures
    fine: Figures
    nodes: tuple[str, ...]
    peak_steps: int
    samples: int
    peaks: np.ndarray
    peaks_without_rails: np.ndarray | None

    def record(self) -> dict[str, Any]:
        """JSON-ready form; what is no finite number is null."""
        parts = [{"steps": one.steps, **{name: {"loss": _finite(loss), self.figure: _finite(score)}
                                         for name, (loss, score) in one.parts.items()}} for one in (self.trained, self.fine)]
        return {"figure": self.figure, "parts": parts,
                "peaks": {"steps": self.peak_steps, "samples": self.samples, "with_rails": self._by_node(self.peaks),
                          "without_rails": self._by_node(self.peaks_without_rails)}}

    def _by_node(self, values: np.ndarray | None) -> dict[str, float | None] | None:
        return None if values is None else {name: _finite(float(v)) for name, v in zip(self.nodes, values, strict=True)}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def examine(circuit: Circuit, data: Data, objective: Objective) -> TrainingReport:
    """Report of a trained circuit; voltages are those of the test part, or of the training part where there is none."""
    recipe = objective.recipe
    held = data.test if data.test.count else data.train
    seen = Part(held.inputs[:MAX_SAMPLES], held.targets[:MAX_SAMPLES])
    bare, lower, upper = ideal_rails(circuit)
    railed = bool(np.any(np.isfinite(lower) | np.isfinite(upper)))
    steps = _FINER * recipe.steps

    def highest(one: Circuit) -> np.ndarray:
        return peaks(make_module(one, recipe, steps=steps), one, objective, seen)

    return TrainingReport(
        objective.figure, _figures(circuit, data, objective, recipe.steps), _figures(circuit, data, objective, FINE_STEPS),
        circuit.nodes.names[1:], steps, seen.count, highest(circuit), highest(bare) if railed else None)


def _figures(circuit: Circuit, data: Data, objective: Objective, steps: int) -> Figures:
    module = make_module(circuit, objective.recipe, steps=steps)
    found = {}
    for name, part in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        loss, score = judge(module, circuit, objective, part)
        if loss is not None and score is not None:
            found[name] = loss, score
    return Figures(steps, found)


def show_report(report: TrainingReport) -> str:
    """The report as lines for people."""
    lines = []
    for one in (report.trained, report.fine):
        said = [f"{name} loss {loss:.4g}, {format_figure(report.figure, score)}" for name, (loss, score) in one.parts.items()]
        lines.append(f"{one.steps} steps: {'; '.join(said)}")
    lines.append(f"highest voltages at {report.peak_steps} steps, {report.samples} samples:")
    railed = report.peaks_without_rails is not None
    lines.append(f"  {'with rails' if railed else 'no rails'}: {_highest(report, report.peaks)}")
    if report.peaks_without_rails is not None:
        lines.append(f"  without rails: {_highest(report, report.peaks_without_rails)}")
    return "\n".join(lines)


def format_figure(figure: str, score: float) -> str:
    """A figure for people: an accuracy in per cent."""
    return f"accuracy {100 * score:.2f} %" if figure == "accuracy" else f"rms error {score:.4g}"


def _highest(report: TrainingReport, values: np.ndarray) -> str:
    order = np.argsort(-values, kind="stable")[:_SHOWN]
    return ", ".join(f"{report.nodes[k]} {format_engineering(float(values[k]), 'V', 3)}" for k in order)
