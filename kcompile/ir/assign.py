"""Parameter values by full name into a circuit: weights files, `--set`, training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kcompile.diagnostics import Diagnostic, Reporter, UsageError, accepted, nearest, printable
from kcompile.inputs import read_array, read_quantity
from kcompile.ir.circuit import Circuit, InstanceTable, SharedParam, frozen
from kcompile.ir.device import Interval
from kcompile.syntax import nodes
from kcompile.syntax.infer import word_type
from kcompile.units import REAL, Dimension

Settings = Mapping[str, float | str]
"""Values by parameter name; a text may carry a unit, a number is in SI units."""


def split_settings(top: nodes.Circuit, settings: Settings) -> tuple[dict[str, float], Settings]:
    """(values of parameters that the top circuit declares, all others); the first decide extents and loops."""
    declared = {item.name.id: item for item in top.items if isinstance(item, nodes.Param)}
    first = {name: _value(name, value, word_type(declared[name].dimension, Reporter()).dimension or REAL)
             for name, value in settings.items() if name in declared}
    return first, {name: value for name, value in settings.items() if name not in declared}


def assign_settings(circuit: Circuit, settings: Settings) -> Circuit:
    """Circuit with parameters set by full name, each to one value for all its rows."""
    if not settings:
        return circuit
    known = dimensions(circuit)
    return assign(circuit, {name: np.asarray(_value(name, value, known.get(name, REAL)) if name in known else 0.0)
                            for name, value in settings.items()})


def dimensions(circuit: Circuit) -> dict[str, Dimension]:
    """Dimension of every parameter, by full name."""
    found = {one.name: one.dimension for one in circuit.shared}
    for table in circuit.tables:
        for bank, _ in table.rows_by_bank():
            found.update({f"{bank}.{param.name}": param.dimension for param in table.model.params})
    return found


def _value(name: str, value: float | str, dimension: Dimension) -> float:
    what = f"`{printable(name, 80)}`"
    if isinstance(value, str):
        return read_quantity(value, dimension, what)
    number = read_array(value, what)
    if number.size != 1:
        raise UsageError(Diagnostic("KC0503", f"{what} is set to one number, {number.size} are given"))
    return float(number.item())


def assign(circuit: Circuit, values: Mapping[str, np.ndarray]) -> Circuit:
    """Circuit with the named parameters replaced; raises `UsageError` with one diagnostic per misfit."""
    problems: list[Diagnostic] = []
    left = {name: read_array(value, f"`{printable(name, 80)}`") for name, value in values.items()}
    shared = tuple(_shared(one, left, problems) for one in circuit.shared)
    new_shared = {one.name: one for one in shared}
    tables = tuple(_table(table, left, new_shared, problems) for table in circuit.tables)
    if left:
        known = circuit.parameters()
        problems += [Diagnostic("KC0502", f"the circuit has no parameter `{printable(name, 80)}`",
                                hint=nearest(name, known) or accepted(known)) for name in left]
    if problems:
        raise UsageError(*problems[:100])
    return replace(circuit, shared=shared, tables=tables)


def _fit(name: str, value: np.ndarray, shape: tuple[int, ...], interval: Interval, integral: bool,
         problems: list[Diagnostic]) -> np.ndarray | None:
    if value.shape != shape and value.size != 1:
        problems.append(Diagnostic("KC0504", f"`{name}` has shape {shape}, the value given has {value.shape}"))
        return None
    column = np.broadcast_to(value.reshape(-1)[0], shape).copy() if value.size == 1 else value.copy()
    wrong = ~interval.holds(column) | ~np.isfinite(column)
    if wrong.any():
        bad = float(column[wrong].flat[0])
        problems.append(Diagnostic("KC0505", f"{int(wrong.sum())} of {column.size} values of `{name}` lie outside "
                                   f"{interval}, the first is {bad!r}"))
        return None
    if integral and np.any(column != np.round(column)):
        problems.append(Diagnostic("KC0505", f"`{name}` takes whole numbers"))
        return None
    return frozen(column.reshape(-1))


def _shared(shared: SharedParam, left: dict[str, np.ndarray], problems: list[Diagnostic]) -> SharedParam:
    if shared.name not in left:
        return shared
    column = _fit(shared.name, left.pop(shared.name), shared.shape, shared.interval, False, problems)
    return shared if column is None else replace(shared, values=column)


def _table(table: InstanceTable, left: dict[str, np.ndarray], shared: dict[str, SharedParam],
           problems: list[Diagnostic]) -> InstanceTable:
    params = dict(table.params)
    for name, tie in table.ties.items():
        params[name] = frozen(shared[tie.shared].values[tie.index])
    prefixes = {name.rpartition(".")[0] for name in left}
    for bank, rows in table.rows_by_bank() if prefixes else ():
        if bank not in prefixes:
            continue
        for param in table.model.params:
            name = f"{bank}.{param.name}"
            if name not in left or param.name not in params:
                continue
            if param.name in table.ties:
                tied = table.ties[param.name].shared
                problems.append(Diagnostic("KC0502", f"`{name}` is tied to `{tied}`", hint=f"set `{tied}`"))
                left.pop(name)
                continue
            old = params[param.name]
            column = _fit(name, left.pop(name), old[rows].shape, param.interval, param.integral, problems)
            if column is not None:
                new = np.array(old)
                new[rows] = column
                params[param.name] = frozen(new)
    return replace(table, params=params)
