"""Start values of all unknowns: input voltages, initial voltages of the circuit, initial states of the laws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kcompile.train.base import Problem
from kcompile.train.linear import select
from kcompile.train.torch_laws import evaluate, prepare


class Start:
    """Makes start values [batch, size] of a problem, on one device; those of states follow the parameters they read."""

    def __init__(self, problem: Problem, like: Tensor) -> None:
        system = problem.system
        nodes = system.circuit.nodes.initial
        self._problem, self._like = problem, like
        self._fixed = torch.as_tensor(nodes[system.free], dtype=like.dtype, device=like.device)[:, None]
        index = np.arange(system.size)
        self._groups = [k for k, group in enumerate(system.groups) if group.model.states]
        at = len(system.free)
        for k in self._groups:
            for states in system.groups[k].states.T:
                index[states] = at + np.arange(len(states))
                at += len(states)
        self._without = select(index, at, like)
        index[np.searchsorted(system.free, system.circuit.inputs)] = at + np.arange(len(system.circuit.inputs))
        self._with = select(index, at + len(system.circuit.inputs), like)
        self._is_input = np.array_equal(index, at + np.arange(len(system.circuit.inputs)))
        limits = np.stack([problem.lower, problem.upper])
        self._rail = torch.as_tensor(limits, dtype=like.dtype, device=like.device) if np.any(np.isfinite(limits)) else None

    def __call__(self, initial: Tensor | None, batch: int, columns: Sequence[Tensor]) -> Tensor:
        """[batch, size], inside the ideal rail; without `initial` the inputs start where the circuit says."""
        if initial is not None and self._is_input:
            start = initial
        else:
            rows = torch.cat([part.expand(-1, batch) for part in (self._fixed, *self._states(columns))])
            start = (self._without(rows) if initial is None else self._with(torch.cat([rows, initial.t()]))).t()
        return start if self._rail is None else torch.clamp(start, *self._rail)

    def _states(self, columns: Sequence[Tensor]) -> list[Tensor]:
        if not self._groups:
            return []
        found, slow = [], self._problem.by_group(columns)
        for k in self._groups:
            group = self._problem.system.groups[k]
            kernel = group.kernels.initials
            found += [value.expand(group.count, 1) for value in evaluate(kernel, prepare(kernel, slow[k], self._like), {})]
        return found
