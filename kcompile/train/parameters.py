"""Parameters of a circuit as those of a module: names as in the source, ties as choices of rows, limits in their dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.device import Interval
from kcompile.train.base import Problem
from kcompile.train.linear import select

NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


class Bank(nn.Module):
    """A part of a dotted name: parameters of a bank, or the banks of a phase or of an instance."""


def grow(root: nn.Module, name: str, parameter: nn.Parameter) -> tuple[nn.Module, str]:
    """Put a parameter at its dotted name, with a module for each part before the last; the last of them, and its name there.

    The tables are written directly: a bank may be called `train`, which `add_module` refuses because it is a method.
    """
    *path, leaf = name.split(".")
    for part in path:
        root = root._modules.setdefault(part, Bank())  # pyright: ignore[reportAssignmentType]
    root._parameters[leaf] = parameter
    return root, leaf


def limits(circuit: Circuit) -> dict[str, Interval]:
    """Limits of every trainable parameter by name: its own, and where it is shared those of the devices tied to it."""
    found: dict[str, Interval] = {one.name: one.interval for one in circuit.shared}
    for table in circuit.tables:
        for param in table.model.params:
            if param.name in table.ties:
                shared = table.ties[param.name].shared
                found[shared] = _both(found[shared], param.interval)
        for bank, _ in table.rows_by_bank():
            found.update({f"{bank}.{p.name}": p.interval for p in table.model.params if p.name not in table.ties})
    return {name: found[name] for name in circuit.trainable()}


def _both(a: Interval, b: Interval) -> Interval:
    lower, upper = max(a.lower, b.lower), min(a.upper, b.upper)
    ends = np.array([lower, upper])
    closed = a.holds(ends) & b.holds(ends)
    return Interval(lower, upper, bool(closed[0]), bool(closed[1]))


def representable(name: str, interval: Interval, dtype: torch.dtype) -> tuple[float, float]:
    """Smallest and largest value of a dtype inside an interval; raises `UsageError` KC0505 where there is none."""
    number = NUMPY[dtype]
    lower, upper = number(interval.lower), number(interval.upper)
    # A bound that was rounded may lie on either side; two steps inwards are enough.
    for _ in range(2):
        if not interval.holds(np.asarray(lower, np.float64)):
            lower = np.nextafter(lower, number(np.inf))
        if not interval.holds(np.asarray(upper, np.float64)):
            upper = np.nextafter(upper, number(-np.inf))
    if lower > upper:
        raise UsageError(Diagnostic("KC0505", f"no {dtype} lies inside the limits {interval} of `{name}`",
                                    hint="dtype=torch.float64"))
    return float(lower), float(upper)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Rows of a column from one table: constants, or named parameters one after the other, or rows of their `source`."""

    values: np.ndarray
    names: tuple[str, ...] = ()
    index: np.ndarray | None = None
    source: int = 0


class Columns:
    """The columns of a problem as functions of the trainable parameters, whose sizes are given, on one device."""

    def __init__(self, problem: Problem, sizes: Mapping[str, int], like: Tensor) -> None:
        groups = problem.system.groups
        self._columns = []
        for group, name in problem.columns:
            pieces = [_piece(table, name, sizes) for table in groups[group].tables]
            if any(piece.names for piece in pieces):
                self._columns.append([_reader(piece, like) for piece in pieces])
            else:
                self._columns.append([_reader(_Piece(np.concatenate([piece.values for piece in pieces])), like)])

    def __call__(self, named: Mapping[str, Tensor]) -> list[Tensor]:
        """One tensor [count] for each of `Problem.columns`."""
        return [parts[0](named) if len(parts) == 1 else torch.cat([part(named) for part in parts]) for parts in self._columns]


def _piece(table: InstanceTable, name: str, sizes: Mapping[str, int]) -> _Piece:
    values = table.params[name]
    if name in table.ties:
        tie = table.ties[name]
        return _Piece(values, (tie.shared,), tie.index, sizes[tie.shared]) if tie.shared in sizes else _Piece(values)
    banks = [(f"{bank}.{name}", rows) for bank, rows in table.rows_by_bank()]
    if not banks or banks[0][0] not in sizes:
        return _Piece(values)
    if len(banks) == 1:
        return _Piece(values, (banks[0][0],))
    rows = np.concatenate([np.arange(table.count)[rows] for _, rows in banks])
    return _Piece(values, tuple(bank for bank, _ in banks), np.argsort(rows), table.count)


def _reader(piece: _Piece, like: Tensor) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """Function from the parameters to the rows of a piece."""
    if not piece.names:
        constant = torch.tensor(piece.values, dtype=like.dtype, device=like.device)
        return lambda named: constant
    if piece.index is None:
        return lambda named: _flat([named[name] for name in piece.names])
    chosen = select(piece.index, piece.source, like)
    return lambda named: chosen(_flat([named[name] for name in piece.names])[:, None])[:, 0]


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return parts[0].reshape(-1) if len(parts) == 1 else torch.cat([part.reshape(-1) for part in parts])
