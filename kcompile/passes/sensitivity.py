"""How far the currents of a circuit move when its parameters do."""

from __future__ import annotations

import numpy as np
import sympy

from kcompile.ir import expr as law
from kcompile.ir.bounds import bound
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.expr import Expression, symbol
from kcompile.passes.error_bound import Box, ErrorBound, known_between

_JUMPS = (law.lt, law.le, law.eq, law.ne, law.both, law.either, law.negate, law.select, law.sign)


def moved_error(before: Circuit, after: Circuit, box: Box) -> ErrorBound:
    """Bounds of the errors that other parameter values bring over a box; the circuits differ in nothing else."""
    error = ErrorBound(before)
    for old, new in zip(before.tables, after.tables, strict=True):
        moved = {name: new.params[name] for name in old.params if not np.array_equal(old.params[name], new.params[name])}
        if not moved:
            continue
        for branch in old.model.law.currents:
            error.add(old, branch.start, branch.stop, _moved(branch.value, old, moved, box))
        for k, rate in enumerate(old.model.law.rates):
            error.add_state(old, k, _moved(rate, old, moved, box))
    return error


def _moved(expr: Expression, table: InstanceTable, moved: dict[str, np.ndarray], box: Box) -> np.ndarray:
    """float64[n]: bound of |f(p') - f(p)| over the box, from the slopes of f between p and p' and from its extent there."""
    here = {name: values for name, values in moved.items() if expr.has(symbol(name))}
    if not here:
        return np.zeros(table.count)
    known = known_between(box.known(table), here)
    low, high = bound(expr, known)
    with np.errstate(invalid="ignore"):
        extent = np.broadcast_to(high - low, (table.count,))
    jumps = [part for kind in _JUMPS for part in expr.atoms(kind)]
    if any(part.has(*map(symbol, here)) for part in jumps):
        return extent  # a step has no slope that bounds it
    total = np.zeros(table.count)
    with np.errstate(all="ignore"):
        for name, values in here.items():
            low, high = bound(sympy.diff(expr, symbol(name)), known)
            change = np.abs(values - table.params[name])
            total = total + np.where(change > 0, np.maximum(np.abs(low), np.abs(high)) * change, 0.0)
    return np.fmin(total, extent)
