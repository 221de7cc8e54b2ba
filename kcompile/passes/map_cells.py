"""The pass `map-cells`: abstract laws as cells of a process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, frozen
from kcompile.ir.device import DeviceModel
from kcompile.passes.base import Contract, Pass, PassLog, option

if TYPE_CHECKING:
    from kcompile.pdk.cell import Cell

POINTS = 13
"""Voltages of each terminal at which laws are compared, over the range of the process."""
CHUNK = 65_536
"""Devices that are compared with all choices at once."""


@dataclass(frozen=True, eq=False)
class Fitting:
    """A bank as a cell: int64[n] units and thresholds; float64[n] the largest distance of the currents over the full scale
    of the units, at the voltages that are compared; float64[n] amperes that it stays below between these, too."""

    cell: Cell
    units: np.ndarray
    thresholds: np.ndarray
    error: np.ndarray
    amperes: np.ndarray


@dataclass(frozen=True)
class MapCells(Pass):
    """Replaces devices by cells of a process, each by as many units of the cell as come closest to its current.

    The currents of both are compared over the voltages that the process allows. Cells that the program names get whole numbers of
    units, and capacitors to ground stay as they are. What no cell can do within `tolerance`, as a part of the full scale of its
    units, is refused, with the bank and the device that are furthest away. Use `scale` before, so that voltages and currents have
    the sizes of the process. The bound that is printed holds for voltages within the range of the process.
    """

    name: ClassVar[str] = "map-cells"
    contract: ClassVar[Contract] = Contract.BOUNDED
    pdk: str = option("", "process; the circuit's own by default")
    tolerance: float = option(0.05, "largest distance between a law and its cell, as a part of the cell's full scale")

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < np.inf:
            self.refuse(f"takes a tolerance above 0, not {self.tolerance!r}")

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.error_bound import ErrorBound
        from kcompile.pdk.cell import load_cells
        from kcompile.pdk.load import load_pdk

        name = self.pdk or circuit.pdk
        if not name:
            self.refuse("needs a process", "map-cells{pdk=sky130}, or `pdk sky130;` in the circuit")
        signals = load_pdk(name).signals
        cells = [cell for cell in load_cells(name).values() if cell.strength]
        if signals is None or not cells:
            self.refuse(f"finds no cells of `{name}`", "map-cells{pdk=sky130}")
        tables, error = [], ErrorBound(circuit)
        for table in circuit.tables:
            if not table.model.law.currents or _is_placed(table, cells):
                tables.append(table)
                continue
            found = self._closest(table, cells)
            self._report(table, found, log)
            start, stop = (*table.model.terminals, "gnd")[:2]
            error.add(table, start, stop, found.amperes)
            if np.any(found.units):
                tables.append(_as_cell(table, found).take(np.flatnonzero(found.units)))
        log.bounds["rate"] = error.rates()
        return replace(circuit, tables=tuple(tables), pdk=name)

    def _report(self, table: InstanceTable, found: Fitting, log: PassLog) -> None:
        worst = int(np.argmax(found.error))
        if found.error[worst] > self.tolerance:
            self.refuse(f"finds no cell for `{table.name(worst)}`: {found.cell.name} comes closest and is "
                        f"{100 * found.error[worst]:.3g} % of its full scale away",
                        "scale voltages and currents to the process, or use its cells in the program; a larger tolerance takes "
                        "it as it is")
        log.fact(f"{table.bank} as {found.cell.name}, error", float(found.error[worst]))
        log.fact("at", table.name(worst))

    def _closest(self, table: InstanceTable, cells: list[Cell]) -> Fitting:
        """The cell whose largest error over the bank is the smallest."""
        law = table.model.law
        alike = [cell for cell in cells if len(cell.law.terminals) == len(table.model.terminals)]
        if not alike or law.rates or law.capacitances or table.waves or len(law.currents) != 1 or not _ends(table.model):
            self.refuse(f"finds no cell for `{table.bank}`: cells have two terminals and one current between them, or one "
                        "terminal and a current to ground, and no state")
        found = [_fitting(table, cell) for cell in alike]
        return min(found, key=lambda one: float(one.error.max(initial=0.0)))


PASS = MapCells


def _fitting(table: InstanceTable, cell: Cell) -> Fitting:
    """A bank as units of a cell, each device as those that come closest to its currents in the mean square."""
    volts = _voltages(cell)
    units, thresholds = _choices(cell)
    offered = _flow(cell.law, {name: column[:, None] for name, column in cell.units(units, thresholds).items()}, volts)
    full = np.abs(units) * np.abs(offered[np.abs(units) == 1]).max()
    wanted = _currents(table, volts)
    square = np.sum(offered**2, axis=1)
    parts = np.array_split(wanted, table.count // CHUNK + 1)
    best = np.concatenate([np.argmin(square - 2 * (part @ offered.T), axis=1) for part in parts])
    distance = (wanted - offered[best]).reshape(-1, *[POINTS] * len(volts))
    axes = tuple(range(1, 1 + len(volts)))
    largest = np.abs(distance).max(axis=axes)
    between = sum(np.abs(np.diff(distance, axis=axis)).max(axis=axes) for axis in axes)
    silent = np.abs(wanted).max(axis=1) == 0
    return Fitting(cell, np.where(silent, 0, units[best]), np.where(silent, 0, thresholds[best]),
                   np.where(silent, 0.0, largest / full[best]), np.where(silent, 0.0, largest + between / 2))


def _choices(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """(units, thresholds), int64[choices]: everything that a cell can be."""
    limit = max(int(param.interval.upper) for param in cell.law.params if param.name == cell.strength)
    pairs = [(sign * units, threshold) for sign in ((1, -1) if cell.signed else (1,)) for units in range(1, limit + 1)
             for threshold in range(units if cell.threshold else 1)]
    units, thresholds = np.array(pairs, dtype=np.int64).T
    return units, thresholds


def _voltages(cell: Cell) -> list[np.ndarray]:
    """float64[points] of each terminal: all combinations."""
    from kcompile.pdk.load import load_pdk
    from kcompile.units import VOLTAGE

    limit = load_pdk(cell.pdk).limits[VOLTAGE]
    line = np.linspace(limit.lower, limit.upper, POINTS)
    return [one.ravel() for one in np.meshgrid(*[line] * len(cell.law.terminals), indexing="ij")]


def _ends(model: DeviceModel) -> tuple[str, str] | None:
    """Where the one current of a device comes from and goes to as cells have it; None where it ends elsewhere."""
    (branch,) = model.law.currents
    first, second = (*model.terminals, "gnd")[:2]
    return (first, second) if {branch.start, branch.stop} == {first, second} else None


def _currents(table: InstanceTable, volts: Sequence[np.ndarray]) -> np.ndarray:
    """float64[n, points]: amperes from the first terminal to the second, or to ground."""
    value = _flow(table.model, {name: column[:, None] for name, column in table.params.items()}, volts)
    return np.broadcast_to(value, (table.count, len(volts[0])))


def _flow(model: DeviceModel, values: Mapping[str, np.ndarray], volts: Sequence[np.ndarray]) -> np.ndarray:
    """Amperes from the first terminal of a device to the second, or to ground, at voltages of its terminals."""
    from kcompile.sim.kernel import make_kernel

    (branch,) = model.law.currents
    known = {f"V({name})": value for name, value in zip(model.terminals, volts, strict=True)}
    sign = 1.0 if branch.start == model.terminals[0] else -1.0
    return sign * make_kernel([branch.value], ()).prepare({})({**known, **values})[0]


def _is_placed(table: InstanceTable, cells: Sequence[Cell]) -> bool:
    """Whether a bank is made of whole units of a cell already."""
    return any(cell.makes(table.model) and all(np.all(table.params[name] % 1 == 0) for name in cell.units(0)) for cell in cells)


def _as_cell(table: InstanceTable, found: Fitting) -> InstanceTable:
    """The bank as a cell; what it shared with others has another unit, or is rounded now."""
    counted = found.cell.units(found.units, found.thresholds)
    params = {name: frozen(column.astype(np.float64)) for name, column in counted.items()}
    return replace(table, model=found.cell.law, params=params, ties={}, fixed=frozenset())
