"""What every backend of training computes: one run with fixed steps, from start values and parameters to states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from kcompile.sim.pack import System
from kcompile.sim.schedule import Schedule
from kcompile.sim.tableau import Tableau


@dataclass(frozen=True, eq=False)
class Problem:
    """A run: equations, steps and method; the unknowns are those of `system`, free nodes first, then inner states.

    lower, upper: float64[size], an ideal rail. Stage i of a step of h seconds from y has the state
    x_i = clip(y + h sum_j a_ij k_j) and the rates k_i = dy/dt(x_i); the step ends at clip(y + h sum_i b_i k_i). Where a
    clip changes a value its gradient is zero. Infinite where there is no rail. The start lies inside.
    record: numbers of the steps after which states are returned, increasing; 0 is the start.
    dtype: float32 or float64.
    """

    system: System
    schedule: Schedule
    method: Tableau
    lower: np.ndarray
    upper: np.ndarray
    record: tuple[int, ...]
    dtype: torch.dtype

    @cached_property
    def columns(self) -> tuple[tuple[int, str], ...]:
        """(index in `system.groups`, parameter) of each column, groups in order, then parameters as the device declares them.

        Waveform parameters are no columns. A column has one value per instance of its group, in SI units.
        """
        return tuple((k, param.name) for k, group in enumerate(self.system.groups) for param in group.model.params
                     if param.waveform is None)

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """(index in `system.groups`, number of the parameter in its model) of each column."""
        return tuple((k, i) for k, group in enumerate(self.system.groups) for i, param in enumerate(group.model.params)
                     if param.waveform is None)

    def by_group(self, columns: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Columns by name for each group of the system, each as [count, 1]."""
        found: list[dict[str, Tensor]] = [{} for _ in self.system.groups]
        for (group, name), column in zip(self.columns, columns, strict=True):
            found[group][name] = column[:, None]
        return found

    @cached_property
    def stage_times(self) -> np.ndarray:
        """float64[steps, stages], in seconds."""
        return self.schedule.stage_times(self.method)


class Backend(Protocol):
    """Runs a `Problem`, differentiably in every tensor it is given."""

    name: str

    def __call__(self, start: Tensor, columns: Sequence[Tensor], drives: Tensor | None) -> Tensor:
        """States [batch, records, size], from start values [batch, size].

        columns: one tensor [count] for each of `Problem.columns`. drives: volts of the driven nodes at the times of the
        stages, [steps, stages, driven] or [batch, steps, stages, driven]; None where nothing is driven.
        """
        ...
