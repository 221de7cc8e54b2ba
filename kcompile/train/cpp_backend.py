"""The backend of generated C++: whole runs, and their adjoint, as one operation of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kcompile.kernels.program import Program
from kcompile.train.base import Problem


class CppBackend:
    """Runs a `Problem` on processors, in as many threads as torch; raises `ToolMissing` KC0717 without a C++ compiler."""

    name = "cpp"

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._program = Program(problem.system, problem.schedule, problem.method, lower=problem.lower, upper=problem.upper,
                                record=problem.record, double=problem.dtype == torch.float64)

    def __call__(self, start: Tensor, columns: Sequence[Tensor], drives: Tensor | None) -> Tensor:
        self._program.threads = torch.get_num_threads()
        wanted = (start, *columns) if drives is None else (start, drives, *columns)
        if torch.is_grad_enabled() and any(one.requires_grad for one in wanted):
            return _Run.apply(self._program, self._problem, start, drives, *columns)  # type: ignore[no-any-return]
        return torch.from_numpy(self._program.forward(_array(start), _by_group(self._problem, columns), _maybe(drives)))


class AdaptiveRun:
    """Runs a `Problem` to its end with steps chosen for each sample, without gradients; its schedule says only the slices."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._program = Program(problem.system, problem.schedule, problem.method, lower=problem.lower, upper=problem.upper,
                                record=problem.record, double=problem.dtype == torch.float64)

    def __call__(self, start: Tensor, columns: Sequence[Tensor], rtol: float, atol: float) -> Tensor:
        """States [batch, 1, size]; raises `SimulatorFailed` KC0601 where they are not reached within the tolerance."""
        self._program.threads = torch.get_num_threads()
        ends, _ = self._program.adaptive(_array(start), _by_group(self._problem, columns), rtol=rtol, atol=atol)
        return torch.from_numpy(ends)[:, None]


class _Run(torch.autograd.Function):
    """A run of a program; the columns are those of `Problem.columns`."""

    @staticmethod
    def forward(ctx: Any, program: Program, problem: Problem, start: Tensor, drives: Tensor | None, *columns: Tensor) -> Tensor:
        ctx.program, ctx.problem = program, problem
        ctx.save_for_backward(start, drives, *columns)
        ctx.kept = program.keep(len(start))
        return torch.from_numpy(program.forward(_array(start), _by_group(problem, columns), _maybe(drives), ctx.kept))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        start, drives, *columns = ctx.saved_tensors
        wants_drives = ctx.needs_input_grad[3]
        start_bar, bars, drives_bar = ctx.program.adjoint(
            _array(start), _by_group(ctx.problem, columns), _array(cotangents[0]), _maybe(drives), wants_drives, ctx.kept)
        drive_bar = None
        if drives_bar is not None:
            drive_bar = torch.from_numpy(drives_bar if drives.ndim == 4 else drives_bar.sum(axis=0))
        found = [None if (bar := bars[group][param]) is None else torch.from_numpy(bar) for group, param in ctx.problem.places]
        return (None, None, torch.from_numpy(start_bar), drive_bar, *found)


def _array(tensor: Tensor):
    return tensor.detach().numpy()


def _maybe(tensor: Tensor | None):
    return None if tensor is None else _array(tensor)


def _by_group(problem: Problem, columns: Sequence[Tensor]):
    """A list for each group with a column for each parameter of its model, None for waveforms."""
    given: list[list[np.ndarray | None]] = [[None] * len(group.model.params) for group in problem.system.groups]
    for (group, param), column in zip(problem.places, columns, strict=True):
        given[group][param] = _array(column)
    return given
