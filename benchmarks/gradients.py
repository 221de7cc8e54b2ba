"""Gradients of generated C++ against central differences of the same steps in float64, over random networks.

    python -m benchmarks.gradients

A gradient is that of a random linear function of the outputs, to every parameter and every starting voltage; its error is the
norm of the difference over the norm of the differences. Values are representable in float32, so both precisions have the same.
A network is drawn again where differences with half the step are others: there a ramp or a rail begins or ends to act within it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import kcompile as kc
from benchmarks.networks import LAWS, random_inputs, random_network
from benchmarks.row import Row, table
from benchmarks.turns import one_core
from kcompile.train.circuit_module import RAILS

NETWORKS, SAMPLES, STEPS = 500, 2, 8
SETS = 10
"""Different choices of laws; each needs kernels of its own in both precisions."""

STEP, AGREEMENT = 1e-6, 1e-8
"""Step of the differences in SI units, and how far they may move with half of it, of their norm."""

RAIL = "[-0.8 V, 0.8 V] g = 10 S"
"""Binds in most networks; as a clamp it is slow enough for steps of this length to be stable, which 100 S are not."""

NOTE = """The worst network is about as far off as float32 is: the same steps by autograd of torch in float32 are 2.0e-6
off there."""


@dataclass(frozen=True)
class Variant:
    """What makes a gradient, and how large its error may be."""

    dtype: torch.dtype
    backend: str
    wanted: float | None = None


VARIANTS = {"float32": Variant(torch.float32, "cpp", 1e-6), "float64": Variant(torch.float64, "cpp", 1e-7),
            "float32 by autograd of torch": Variant(torch.float32, "torch")}


@dataclass(frozen=True)
class Errors:
    """Of the gradients of one network, relative in the norm, and how many networks were drawn before it."""

    relative: dict[str, float]
    redrawn: int


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes some minutes."""
    with one_core():
        found = [errors(number) for number in range(NETWORKS)]
    redrawn = sum(one.redrawn for one in found)
    for name, variant in VARIANTS.items():
        column = [one.relative[name] for one in found]
        above = "" if variant.wanted is None else f", {sum(one > variant.wanted for one in column)} networks above the mark"
        yield Row(f"gradients of {NETWORKS} random networks, rails {RAIL}, against central differences, {name}, the worst",
                  f"<= {variant.wanted:g}" if variant.wanted else "", f"{max(column):.1e}, median {np.median(column):.1e}{above}",
                  None if variant.wanted is None else max(column) <= variant.wanted)
    yield Row("networks drawn again", "", f"{redrawn}")


def errors(number: int) -> Errors:
    """Those of a network by its number; clamps and ideal rails take turns."""
    draw = np.random.default_rng(number * SETS // NETWORKS)
    laws = [draw.choice(LAWS, size=2, replace=False) for _ in range(2)]
    rail = RAILS[number % 2]
    for attempt in itertools.count():
        circuit = random_network((number, attempt), laws, RAIL)
        circuit = circuit.with_params({name: circuit.parameters()[name].astype(np.float32) for name in circuit.trainable()})
        inputs = torch.from_numpy(random_inputs(circuit, number, SAMPLES).astype(np.float32))
        weights = torch.from_numpy(np.random.default_rng(number).normal(size=(SAMPLES, len(circuit.outputs))).astype(np.float32))
        modules = {name: kc.CircuitModule(circuit, "rk4", STEPS, dtype=one.dtype, rail=rail, backend=one.backend)
                   for name, one in VARIANTS.items()}
        exact, finer = (_differences(modules["float64"], inputs.double(), weights.double(), step) for step in (STEP, STEP / 2))
        if _relative(finer, exact) < AGREEMENT:
            return Errors({name: _relative(_gradient(modules[name], inputs.to(one.dtype), weights.to(one.dtype)), exact)
                           for name, one in VARIANTS.items()}, attempt)
    raise AssertionError


def _gradient(module: kc.CircuitModule, inputs: Tensor, weights: Tensor) -> Tensor:
    """float64[inputs and parameters], by the adjoint."""
    inputs = inputs.clone().requires_grad_()
    found = torch.autograd.grad((module(inputs) * weights).sum(), [inputs, *module.parameters()])
    return torch.cat([one.double().flatten() for one in found])


@torch.no_grad()
def _differences(module: kc.CircuitModule, inputs: Tensor, weights: Tensor, step: float) -> Tensor:
    """The same by central differences; the samples of an input move together, since each has an output of its own."""

    def change(row: Tensor) -> Tensor:
        """Of the output of every sample, when one row of a parameter or of the inputs moves."""
        ends, here = [], row.clone()
        for sign in (1, -1):
            row.copy_(here + sign * step)
            ends.append((module(inputs) * weights).sum(dim=1))
        row.copy_(here)
        return (ends[0] - ends[1]) / (2 * step)

    inputs = inputs.clone()
    to_inputs = torch.stack([change(column) for column in inputs.unbind(dim=1)], dim=1)
    values = [value for parameter in module.parameters() for value in parameter.view(-1)]
    return torch.cat([to_inputs.flatten(), *(change(value).sum(dim=0, keepdim=True) for value in values)])


def _relative(found: Tensor, right: Tensor) -> float:
    return float((found - right).norm() / right.norm())


if __name__ == "__main__":
    print(table(rows()))
