"""A circuit of cells on samples: what laws and transistors decide, in one corner and in others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.report.inventory import Inventory, take_inventory
from kcompile.report.lot import LotStudy, study_lot
from kcompile.train.data import Data, Part
from kcompile.train.encoding import make_encoding
from kcompile.train.objective import Objective
from kcompile.train.recipe import Recipe
from kcompile.verify.corners import confirm_corners
from kcompile.verify.transistors import Confirmation, confirm

CORNER_SAMPLES = 4
"""Samples that run in each corner."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What samples are answered: classes or numbers of the laws and of the transistors, [samples] or [samples, numbers], beside
    the targets; figures of both; for classes the margin of the laws, in volts, and the error of the difference that decides."""

    figure: str
    targets: np.ndarray
    laws: np.ndarray
    transistors: np.ndarray
    law_figure: float
    transistor_figure: float
    margin: np.ndarray | None
    error: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Gathered:
    """Everything that a report says; corners: one confirmation each, of fewer samples; lot: where specimens were drawn."""

    confirmation: Confirmation
    answers: Answers | None
    inventory: Inventory
    corners: tuple[Confirmation, ...]
    lot: LotStudy | None = None


def gather(circuit: Circuit, data: Data | None, recipe: Recipe, samples: int, corners: Sequence[tuple[str, float]] = (),
           watch: Callable[[int, int], None] | None = None, specimens: int = 0, limit: float | None = None,
           clocked: bool = False) -> Gathered:
    """Run a circuit of cells on test samples, or from its own starting voltages without data.

    recipe: how samples become voltages and outputs answers; watch: called with the numbers of runs that are done and of all in
    a corner; specimens: drawn on laws, with data only; limit: the figure of a good one; clocked: as a chip with clocks. Raises
    what `confirm` raises.
    """
    import torch

    part, volts, objective, lot = None, None, None, None
    if data is not None:
        objective = Objective(recipe, make_encoding(data, recipe))
        held = data.test if data.test.count else data.train
        part = Part(held.inputs[:samples], held.targets[:samples])
        volts = list(objective.encoding.volts(torch.from_numpy(part.inputs.copy()).double()).numpy())
        lot = study_lot(circuit, objective, held, specimens, limit) if specimens else None
    found = confirm(circuit, volts, watch=watch, clocked=clocked)
    few = None if volts is None else volts[:CORNER_SAMPLES]
    others = confirm_corners(circuit, corners, few, clocked=clocked, watch=watch).confirmations
    answers = None if part is None or objective is None else _answers(circuit, found, objective, part)
    return Gathered(found, answers, take_inventory(circuit, clocked=clocked), others, lot)


def _answers(circuit: Circuit, found: Confirmation, objective: Objective, part: Part) -> Answers:
    import torch

    columns = [found.names.index(circuit.nodes.name(int(node))) for node in circuit.outputs]
    ends = [torch.from_numpy(one[:, -1, columns].copy()) for one in (found.laws, found.transistors)]
    targets = torch.from_numpy(part.targets.copy())
    laws, transistors = (objective.result(objective.score(one, targets), part.count) for one in ends)
    values = [objective.values(one) for one in ends]
    if not objective.recipe.labels:
        gain, offset = objective.encoding.target_gain, objective.encoding.target_offset
        return Answers(objective.figure, part.targets, values[0].numpy() * gain + offset, values[1].numpy() * gain + offset, laws,
                       transistors, None, None)
    ordered = values[0].sort(dim=1, descending=True)
    first, second = ordered.indices[:, :1], ordered.indices[:, 1:2]
    margins = [((one.gather(1, first) - one.gather(1, second))[:, 0] / objective.recipe.scale).numpy() for one in values]
    return Answers(objective.figure, part.targets, values[0].argmax(dim=1).numpy(), values[1].argmax(dim=1).numpy(), laws,
                   transistors, margins[0], np.abs(margins[1] - margins[0]))
