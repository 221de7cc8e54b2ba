"""Many specimens of a circuit of cells on samples: figures, yield, and what mismatch does to the outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from kcompile.ir.circuit import Circuit
from kcompile.report.monte_carlo import draw_laws
from kcompile.report.sensitivity import SOURCES, Sensitivity, find_sensitivity
from kcompile.train.data import Part
from kcompile.train.objective import Objective

SAMPLES = 200
"""Test samples that every specimen runs."""
WORSE = 0.05
"""By how much of it the figure of a good specimen is worse than that of equal cells, where no limit is given."""
SHOWN = 20
"""Cells that a report names."""


@dataclass(frozen=True, eq=False)
class LotStudy:
    """Specimens on laws. nominal: the figure of equal cells; figures: float64[specimens]; limit: the figure of a good specimen is
    at least (accuracy) or at most (error) this; spread: volts, rms deviation of the outputs over specimens."""

    figure: str
    samples: int
    nominal: float
    figures: np.ndarray
    limit: float
    spread: float
    sensitivity: Sensitivity

    @property
    def good(self) -> int:
        """Number of good specimens."""
        return int(np.sum(self.figures >= self.limit if self.figure == "accuracy" else self.figures <= self.limit))

    @property
    def interval(self) -> tuple[float, float]:
        """Between what the yield lies, with 95 % confidence (Wilson, JASA 22, 1927)."""
        found = binomtest(self.good, len(self.figures)).proportion_ci(0.95, "wilson")
        return float(found.low), float(found.high)

    @property
    def best(self) -> list[int]:
        """Places in the sensitivity of the cells whose area buys most, the best first."""
        return np.argsort(-self.sensitivity.gains, kind="stable")[:SHOWN].tolist()

    def record(self) -> dict[str, Any]:
        """JSON-ready form."""
        one = self.sensitivity
        return {"figure": self.figure, "specimens": len(self.figures), "samples": self.samples, "equal_cells": self.nominal,
                "mean": float(self.figures.mean()), "deviation": float(self.figures.std(ddof=1)), "limit": self.limit,
                "yield": self.good / len(self.figures), "interval": list(self.interval), "spread": self.spread,
                "first_order": {"mean": one.expected, "spread": dict(zip(SOURCES, one.sources.tolist(), strict=True))},
                "cells": [{"name": one.names[k], "area": float(one.areas[k]), "share": float(one.shares[k]),
                           "gain": float(one.gains[k])} for k in self.best]}


def study_lot(circuit: Circuit, objective: Objective, part: Part, count: int, limit: float | None = None) -> LotStudy:
    """Specimens 0 to count of a circuit of cells on the first samples of a part; raises `UsageError` KC0726."""
    import torch

    from kcompile.train.judge import make_module, start_volts, tensors_of

    inputs, targets = tensors_of(part, slice(SAMPLES))
    volts = start_volts(objective, inputs)
    specimens = draw_laws(circuit, volts.cpu().numpy(), count, 0, objective.recipe)
    with torch.no_grad():
        equal = make_module(circuit, objective.recipe)(volts).cpu()

    def figure(outputs: torch.Tensor) -> float:
        return objective.result(objective.score(outputs, targets), len(targets))

    nominal, worse = figure(equal), WORSE * (-1 if objective.recipe.labels else 1)
    return LotStudy(objective.figure, len(targets), nominal, np.array([figure(torch.from_numpy(one)) for one in specimens.ends]),
                    (1 + worse) * nominal if limit is None else limit, float(np.sqrt(np.square(specimens.spread).mean())),
                    find_sensitivity(circuit, objective, Part(part.inputs[:SAMPLES], part.targets[:SAMPLES]), volts))
