"""Ideal rails: voltages projected into their interval instead of clamped by a current."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from kcompile.ir.build import rail_model
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.expr import Law


@cache
def _rail_law() -> Law:
    return rail_model().law


def is_clamp(table: InstanceTable) -> bool:
    """Whether a bank is what `rail [lower, upper]` means: no label is called `rail`, and the law tells it from a copy."""
    return table.path[0].text == "rail" and table.model.terminals == ("n",) and table.model.law == _rail_law()


def ideal_rails(circuit: Circuit) -> tuple[Circuit, np.ndarray, np.ndarray]:
    """The circuit without its clamps, and the limits they stood for, float64[unknowns] of that circuit.

    Unknowns are the free nodes in order, then inner states; infinite where there is no rail.
    """
    clamps = [table for table in circuit.tables if is_clamp(table)]
    bare = replace(circuit, tables=tuple(table for table in circuit.tables if not is_clamp(table)))
    lower, upper = np.full(circuit.nodes.count, -np.inf), np.full(circuit.nodes.count, np.inf)
    for table in clamps:
        np.maximum.at(lower, table.nodes[:, 0], table.params["lower"])
        np.minimum.at(upper, table.nodes[:, 0], table.params["upper"])
    _, low, high = no_rails(bare)
    low[: len(bare.free)], high[: len(bare.free)] = lower[bare.free], upper[bare.free]
    return bare, low, high


def no_rails(circuit: Circuit) -> tuple[Circuit, np.ndarray, np.ndarray]:
    """The circuit as it is, and limits of its unknowns that are all infinite."""
    size = len(circuit.free) + sum(table.count * len(table.model.states) for table in circuit.tables)
    return circuit, np.full(size, -np.inf), np.full(size, np.inf)
