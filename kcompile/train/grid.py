"""Parameters on the steps that hardware holds, and gradients that pass the rounding as if it were not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest, printable
from kcompile.train.recipe import Recipe


def grid_of(names: Sequence[str], recipe: Recipe) -> dict[str, float]:
    """Steps of parameters by their full names; a key of `grid` is a full name or the name in the device.

    Raises `UsageError` KC0567 for a key that names none.
    """
    short = {name.rpartition(".")[2] for name in names}
    for key in recipe.grid:
        if key not in names and key not in short:
            raise UsageError(Diagnostic("KC0567", f"`grid` names `{printable(key, 60)}`, which is no trainable parameter",
                                        hint=nearest(key, (*names, *short)) or accepted((*names, *sorted(short)))))
    steps = {name: recipe.grid.get(name, recipe.grid.get(name.rpartition(".")[2])) for name in names}
    return {name: step for name, step in steps.items() if step is not None}


def on_grid(value: torch.Tensor, step: float) -> torch.Tensor:
    """The nearest multiple of a step, with the gradient of the value itself (Bengio et al., arXiv 1308.3432)."""
    return value + (torch.round(value / step) * step - value).detach()


@contextmanager
def rounded(parameters: Mapping[str, torch.nn.Parameter], grid: Mapping[str, float]) -> Iterator[None]:
    """Inside, the parameters are on their grid."""
    before = {name: parameters[name].detach().clone() for name in grid}
    with torch.no_grad():
        for name, step in grid.items():
            parameters[name].copy_(on_grid(parameters[name], step))
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in before.items():
                parameters[name].copy_(value)
