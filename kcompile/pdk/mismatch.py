"""Circuits of cells as they come out of a fabrication, drawn at random from what was measured of the cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit, InstanceTable, frozen
from kcompile.pdk.cell import Cell, find_cell, load_cells

DRAWN = ("offset", "gain", "imbalance")
"""Parameters of the law of a specimen."""


def draw_specimen(circuit: Circuit, seed: int, number: int, area: float = 1.0, bias: bool = True) -> Circuit:
    """One specimen of a circuit of cells, a function of seed and number alone.

    Every cell has its own offset, gain and imbalance, with deviations over the square root of its units and of `area`, by which
    all its transistors are larger (Pelgrom et al., JSSC 24(5), 1989). All cells share what their bias lines do, unless bias is
    False.
    Raises `UsageError` KC0726 for a circuit without cells.
    """
    cells = {name: cell for name, cell in load_cells(circuit.pdk).items() if cell.drawn}
    rng = np.random.default_rng([seed, number])
    shared = bias * rng.standard_normal(2)  # drawn in any case, so that cells are the same with and without
    tables, found = [], False
    for table in circuit.tables:
        cell = find_cell(cells, table.model)
        found |= cell is not None
        tables.append(table if cell is None else _specimen(table, cell, rng, shared, area))
    if not found:
        raise UsageError(Diagnostic("KC0726", f"`{circuit.name}` has no cells whose mismatch was measured", circuit.span))
    return replace(circuit, tables=tuple(tables))


def _specimen(table: InstanceTable, cell: Cell, rng: np.random.Generator, shared: np.ndarray, area: float) -> InstanceTable:
    mismatch = cell.fit.mismatch
    assert mismatch is not None, cell.name
    units = np.abs(table.params[cell.strength])
    own = rng.standard_normal((3, table.count)) / np.sqrt(np.maximum(units, 1.0) * area)
    columns = {"offset": mismatch.offset * own[0], "gain": mismatch.gain * own[1] + mismatch.bias_gain * shared[0],
               "imbalance": mismatch.imbalance * own[2] + mismatch.bias_imbalance * shared[1]}
    drawn = {name: frozen(value) for name, value in columns.items()}
    return replace(table, model=cell.specimen, params={**table.params, **drawn})
