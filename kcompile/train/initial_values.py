"""Where training starts: random values for what the program leaves the same in all devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest, printable
from kcompile.ir.circuit import Circuit
from kcompile.ir.device import Interval
from kcompile.train.parameters import limits
from kcompile.train.recipe import Recipe


def starting_values(circuit: Circuit, recipe: Recipe) -> dict[str, np.ndarray]:
    """float64 arrays by full name for every trainable parameter.

    A parameter of several values that are all equal gets normal numbers around them, with the deviation
    `init * sqrt(2 / n)` units, within its limits; n counts the trainable devices of its time slice, or the values of a
    shared parameter. Others, such as those of a weights file, are kept.
    Raises `UsageError` KC0570 where nothing is trainable.
    """
    names = circuit.trainable()
    if not names:
        raise UsageError(Diagnostic("KC0570", f"the circuit `{circuit.name}` has no parameter that is trainable",
                                    hint="a device says so after its interval: `param k: conductance = 0 S trainable;`"))
    rng = np.random.default_rng([recipe.seed, 0])
    counts, bounds = _counts(circuit), limits(circuit)
    units = unit_sizes(circuit, recipe)
    values = circuit.parameters()
    found = {}
    for name in names:
        start = values[name].astype(np.float64)
        if recipe.init and start.size > 1 and np.all(start == start.flat[0]):
            spread = recipe.init * np.sqrt(2.0 / counts.get(name, start.size)) * units[name]
            start = _inside(start + spread * rng.standard_normal(start.shape), bounds[name], start)
        found[name] = start
    return found


def unit_sizes(circuit: Circuit, recipe: Recipe) -> dict[str, float]:
    """Size of one unit in SI units for every trainable parameter; a key of `units` is a full name or the name in the device.

    Raises `UsageError` KC0567 for a key that names none.
    """
    names = circuit.trainable()
    short = {name.rpartition(".")[2] for name in names}
    for key in recipe.units:
        if key not in names and key not in short:
            raise UsageError(Diagnostic("KC0567", f"`units` names `{printable(key, 60)}`, which is no trainable parameter",
                                        hint=nearest(key, (*names, *short)) or accepted((*names, *short))))
    return {name: recipe.units.get(name, recipe.units.get(name.rpartition(".")[2], 1.0)) for name in names}


def _counts(circuit: Circuit) -> Mapping[str, int]:
    """Trainable devices in the time slice of each parameter of a bank."""
    learning = [table for table in circuit.tables if any(param.trainable for param in table.model.params)]
    total = Counter()
    for table in learning:
        total[table.phase] += table.count
    return {f"{bank}.{param.name}": total[table.phase] for table in learning for bank, _ in table.rows_by_bank()
            for param in table.model.params}


def _inside(drawn: np.ndarray, interval: Interval, start: np.ndarray) -> np.ndarray:
    """Drawn values within an interval; one that an open end excludes stays at its start."""
    clipped = np.clip(drawn, interval.lower, interval.upper)
    return np.where(interval.holds(clipped), clipped, start)
