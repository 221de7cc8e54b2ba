"""A circuit on samples without gradients: losses, figures, voltages of every node."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from kcompile.diagnostics import SimulatorFailed
from kcompile.ir.circuit import Circuit
from kcompile.train.circuit_module import CircuitModule
from kcompile.train.data import Part
from kcompile.train.objective import Objective
from kcompile.train.recipe import Recipe

DTYPES = {"float32": torch.float32, "float64": torch.float64}
_TERMS = 1 << 20
"""Device evaluations of one chunk of samples: tensors of 4 MB; larger ones cost torch more time for their pages than for their
sums."""


def make_module(circuit: Circuit, recipe: Recipe) -> CircuitModule:
    """The circuit as its recipe runs it."""
    return CircuitModule(circuit, solver=recipe.solver, steps=recipe.steps, until=recipe.until, dtype=DTYPES[recipe.dtype],
                         rail=recipe.rail, backend=recipe.backend).to(recipe.device)


def tensors_of(part: Part, rows: np.ndarray | slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [n, features] and targets of some samples."""
    return torch.from_numpy(part.inputs[rows].copy()), torch.from_numpy(part.targets[rows].copy())


def start_volts(objective: Objective, inputs: torch.Tensor) -> torch.Tensor:
    """Starting voltages of inputs, in the dtype and on the device of the recipe."""
    return objective.encoding.volts(inputs.to(objective.recipe.device, DTYPES[objective.recipe.dtype]))


def chunks(circuit: Circuit, objective: Objective, part: Part) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(starting voltages, targets) of a part, in pieces that fill a cache, or of a batch, for which there is memory."""
    devices = sum(table.count for table in circuit.tables)
    size = max(objective.recipe.batch, min(1024, _TERMS // max(devices, 1)))
    for first in range(0, part.count, size):
        inputs, targets = tensors_of(part, slice(first, first + size))
        yield start_volts(objective, inputs), targets.to(objective.recipe.device)


@torch.no_grad()
def judge_sums(module: CircuitModule, circuit: Circuit, objective: Objective, part: Part) -> tuple[float, float]:
    """Sums of losses and scores over the samples of a part."""
    loss = score = 0.0
    for volts, targets in chunks(circuit, objective, part):
        outputs = module(volts)
        loss += float(objective.loss(outputs, targets)) * len(targets)
        score += objective.score(outputs, targets)
    return loss, score


def judge(module: CircuitModule, circuit: Circuit, objective: Objective, part: Part) -> tuple[float | None, float | None]:
    """(mean loss, figure) of a part; None where it is empty."""
    loss, score = judge_sums(module, circuit, objective, part)
    return (None, None) if part.count == 0 else (loss / part.count, objective.result(score, part.count))


@torch.no_grad()
def peaks(module: CircuitModule, circuit: Circuit, objective: Objective, part: Part) -> np.ndarray:
    """float64[nodes]: the largest absolute voltage of every node but ground, over samples and steps; inf where it blows up."""
    found = np.zeros(circuit.nodes.count - 1)
    for volts, _ in chunks(circuit, objective, part):
        try:
            largest = module.trajectory(volts).abs().amax(dim=(0, 1)).double().cpu().numpy()
        except SimulatorFailed:  # implicit steps do not go to infinity, they have no solution
            return np.full_like(found, np.inf)
        found = np.maximum(found, np.where(np.isfinite(largest), largest, np.inf))
    return found


@torch.no_grad()
def blown_node(module: CircuitModule, circuit: Circuit, volts: torch.Tensor) -> tuple[str, float] | None:
    """(name, seconds) of the first node whose voltage is no finite number, from these starting voltages."""
    for first in range(0, len(volts), 64):
        wrong = ~torch.isfinite(module.trajectory(volts[first : first + 64])).cpu().numpy()
        if wrong.any():
            step, node = np.argwhere(wrong.any(axis=0))[0]
            return circuit.nodes.name(int(node) + 1), float(module.times[step])
    return None
