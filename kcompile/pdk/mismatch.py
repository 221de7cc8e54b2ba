"""Circuits of cells as they come out of a fabrication, drawn at random from what was measured of the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit, InstanceTable, frozen
from kcompile.ir.device import DeviceModel
from kcompile.pdk.cell import Cell, find_cell, load_cells
from kcompile.pdk.fit import Mismatch

DRAWN = ("offset", "gain", "imbalance")
"""Parameters of the law of a specimen."""


@dataclass(frozen=True, eq=False)
class Normals:
    """Standard normal numbers that make one specimen: float64[2] of the bias lines, for gain and imbalance, and float64[3, count]
    of each table of cells, in the order of `DRAWN`; None for a table of other devices."""

    shared: np.ndarray
    own: tuple[np.ndarray | None, ...]


@dataclass(frozen=True, eq=False)
class Lot:
    """All specimens of a circuit of cells. circuit: with the laws of specimens, whose deviations are 0 and may be trained; cells:
    of each of its tables, None for other devices."""

    circuit: Circuit
    cells: tuple[Cell | None, ...]

    def normals(self, key: Sequence[int]) -> Normals:
        """Numbers of one specimen, a function of its key alone."""
        rng = np.random.default_rng(key)
        shared = rng.standard_normal(2)
        return Normals(shared, tuple(None if cell is None else rng.standard_normal((3, table.count))
                                     for table, cell in zip(self.circuit.tables, self.cells, strict=True)))

    def specimen(self, normals: Normals, area: float = 1.0, bias: bool = True) -> Circuit:
        """The circuit with the deviations of one specimen."""
        tables = []
        for table, cell, own in zip(self.circuit.tables, self.cells, normals.own, strict=True):
            if cell is not None:
                columns = deviations(cell.mismatch, table.params[cell.strength], own, bias * normals.shared, area)
                table = replace(table, params={**table.params, **{name: frozen(one) for name, one in columns.items()}})
            tables.append(table)
        return replace(self.circuit, tables=tuple(tables))


def make_lot(circuit: Circuit) -> Lot:
    """Specimens of a circuit; raises `UsageError` KC0726 where it has no cells whose mismatch was measured."""
    known = {name: cell for name, cell in load_cells(circuit.pdk).items() if cell.drawn}
    cells = tuple(find_cell(known, table.model) for table in circuit.tables)
    if not any(cells):
        raise UsageError(Diagnostic("KC0726", f"`{circuit.name}` has no cells whose mismatch was measured", circuit.span))
    laws = {cell.name: _open(cell.specimen) for cell in cells if cell is not None}
    tables = [table if cell is None else _equal(table, laws[cell.name])
              for table, cell in zip(circuit.tables, cells, strict=True)]
    return Lot(replace(circuit, tables=tuple(tables)), cells)


def _open(model: DeviceModel) -> DeviceModel:
    return replace(model, params=tuple(replace(one, trainable=True) if one.name in DRAWN else one for one in model.params))


def _equal(table: InstanceTable, law: DeviceModel) -> InstanceTable:
    return replace(table, model=law, params={**table.params, **{name: frozen(np.zeros(table.count)) for name in DRAWN}})


def deviations(unit: Mismatch, strength: Any, own: Any, shared: Any, area: float = 1.0) -> dict[str, Any]:
    """Columns of `DRAWN` of cells with strengths [n], from standard normal numbers own [3, n], shared [2]; arrays or tensors.

    Deviations of a cell fall with the square root of its units and of `area`, by which all its transistors are larger (Pelgrom
    et al., JSSC 24(5), 1989). All cells share what their bias lines do.
    """
    root = (abs(strength).clip(min=1.0) * area) ** 0.5
    return {"offset": unit.offset * own[0] / root, "gain": unit.gain * own[1] / root + unit.bias_gain * shared[0],
            "imbalance": unit.imbalance * own[2] / root + unit.bias_imbalance * shared[1]}


def draw_specimen(circuit: Circuit, seed: int, number: int, area: float = 1.0, bias: bool = True) -> Circuit:
    """One specimen of a circuit of cells, a function of seed and number alone; without what bias lines do, if bias is False.

    Raises `UsageError` KC0726 for a circuit without cells.
    """
    lot = make_lot(circuit)
    return lot.specimen(lot.normals((seed, number)), area, bias)
