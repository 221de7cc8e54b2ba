"""Parameters on the steps that hardware holds, and gradients that pass the rounding as if it were not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest, printable
from kcompile.ir.circuit import Circuit
from kcompile.ir.device import Interval
from kcompile.train.parameters import limits
from kcompile.train.recipe import Recipe


@dataclass(frozen=True)
class Grid:
    """Multiples of a step, from the lowest to the highest that the limits of a parameter hold."""

    step: float
    lower: float
    upper: float

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        """The nearest place on the grid, with the gradient of the value itself (Bengio et al., arXiv 1308.3432)."""
        nearest_one = (torch.round(value / self.step) * self.step).clamp(self.lower, self.upper)
        return value + (nearest_one - value).detach()


def grids_of(circuit: Circuit, recipe: Recipe) -> dict[str, Grid]:
    """Grids of trained parameters by their full names; a key of `grid` is a full name or the name in the device.

    Raises `UsageError` KC0567 for a key that names none, and for a step of which the limits hold no multiple.
    """
    bounds = limits(circuit)
    short = {name.rpartition(".")[2] for name in bounds}
    for key in recipe.grid:
        if key not in bounds and key not in short:
            raise UsageError(Diagnostic("KC0567", f"`grid` names `{printable(key, 60)}`, which is no trainable parameter",
                                        hint=nearest(key, (*bounds, *short)) or accepted((*bounds, *sorted(short)))))
    steps = {name: recipe.grid.get(name, recipe.grid.get(name.rpartition(".")[2])) for name in bounds}
    return {name: _inside(name, step, bounds[name]) for name, step in steps.items() if step is not None}


def _inside(name: str, step: float, interval: Interval) -> Grid:
    lower, upper = np.ceil(interval.lower / step) * step, np.floor(interval.upper / step) * step
    lower += step * (not interval.holds(np.asarray(lower)))  # open ends
    upper -= step * (not interval.holds(np.asarray(upper)))
    if lower > upper:
        raise UsageError(Diagnostic("KC0567", f"no multiple of {step:g} lies within the limits {interval} of `{name}`",
                                    hint="a smaller step of `grid`"))
    return Grid(step, float(lower), float(upper))


@contextmanager
def rounded(parameters: Mapping[str, torch.nn.Parameter], grids: Mapping[str, Grid]) -> Iterator[None]:
    """Inside, the parameters are on their grids."""
    before = {name: parameters[name].detach().clone() for name in grids}
    with torch.no_grad():
        for name, grid in grids.items():
            parameters[name].copy_(grid(parameters[name]))
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in before.items():
                parameters[name].copy_(value)
