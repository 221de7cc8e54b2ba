"""A circuit as cells of its process: how many units of which subcircuit each device is, and the capacitor of each node."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.structure import capacitances, grounded
from kcompile.pdk.cell import Cell, find_cell, load_cells
from kcompile.units import format_engineering

WHOLE = 1e-6
"""Distance of a strength from a whole number up to which it is one."""
SHARE = 0.04
"""Of a node's capacitance: what its cells may load it with. By the voltages it is 0.7 to 2 times as large."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Devices of one bank as units of a cell: int64[n], negative for the crossed subcircuit, 0 for no device at all, or for one
    whose bits are all off; thresholds: int64[n] units, 0 where the cell has none."""

    table: InstanceTable
    cell: Cell
    strengths: np.ndarray
    thresholds: np.ndarray

    @property
    def forms(self) -> np.ndarray:
        """int64[n]: which subcircuit of the cell each is."""
        return self.cell.form(self.strengths, self.thresholds)

    @property
    def present(self) -> list[int]:
        """Rows that are made: what bits choose may be chosen otherwise after fabrication."""
        return list(range(self.table.count)) if self.cell.bits else np.flatnonzero(self.strengths).tolist()


@dataclass(frozen=True, eq=False)
class Placement:
    """float64[nodes] in farads, ground included: what the program says (target), what cells load the node with, and the
    capacitor that is left to make. capacitors: cells with the nodes whose capacitors they make, int64[n] each."""

    banks: tuple[Bank, ...]
    capacitors: tuple[tuple[Cell, np.ndarray], ...]
    target: np.ndarray
    load: np.ndarray

    @property
    def explicit(self) -> np.ndarray:
        return self.target - self.load

    @property
    def share(self) -> np.ndarray:
        """float64[nodes]: the load over the target, 0 at ground and at driven nodes."""
        return np.divide(self.load, self.target, out=np.zeros_like(self.load), where=self.target > 0)

    @property
    def least(self) -> np.ndarray:
        """float64[nodes]: the smallest capacitor that the process makes there, 0 where none is made."""
        least = np.zeros_like(self.target)
        for cell, nodes in self.capacitors:
            assert cell.capacitor is not None
            least[nodes] = cell.capacitor.least
        return least

    def stretch(self, share: float) -> float:
        """By what all targets are multiplied at least so that no load is more than a share of one, and no capacitor smaller
        than the process makes."""
        live = self.target > 0
        wanted = np.maximum(self.load / share, self.load + self.least)
        return float((wanted[live] / self.target[live]).max(initial=0.0))


def has_cells(circuit: Circuit) -> bool:
    """Whether any device of a circuit is a cell of its process."""
    cells = load_cells(circuit.pdk)
    return any(find_cell(cells, model) is not None for model in circuit.models)


def at_condition(circuit: Circuit, corner: str, temperature: float) -> Circuit:
    """The circuit with the laws that its cells have in a corner, at a temperature in degrees Celsius.

    Raises `UsageError` KC0721 where they were not measured there.
    """
    cells = load_cells(circuit.pdk)
    tables = []
    for table in circuit.tables:
        cell = find_cell(cells, table.model)
        tables.append(table if cell is None else replace(table, model=cell.law_with(cell.fit.at(corner, temperature))))
    return replace(circuit, tables=tuple(tables))


def place(circuit: Circuit) -> Placement:
    """Placement of a circuit whose devices are cells and capacitors to ground.

    Raises what `weigh` raises, and `UsageError` KC0726 for a node whose cells load it with more than its capacitor.
    """
    found = weigh(circuit)
    _check(circuit, found)
    return found


def weigh(circuit: Circuit) -> Placement:
    """Placement of a circuit whose nodes may be loaded with more than their capacitors.

    Raises `UsageError` KC0726 for a circuit without cells, a device that is no cell, a strength that is no whole number, a
    capacitor between nodes, and a node with capacitors of two kinds.
    """
    cells = load_cells(circuit.pdk)
    if not has_cells(circuit):
        raise UsageError(Diagnostic("KC0726", f"`{circuit.name}` has no cells of a process, and so no transistors", circuit.span,
                                    hint="`use` cells in the program, or --pdk sky130 of `compile` makes cells of its laws"))
    banks, plates = [], {}
    for table in circuit.tables:
        cell = find_cell(cells, table.model)
        if cell is not None and cell.strength:
            strengths = _whole(table, cell.strength)
            if not cell.signed and np.any(strengths < 0):
                row = int(np.flatnonzero(strengths < 0)[0])
                raise _refused(f"`{table.name(row)}` has {strengths[row]} units, and {cell.name} has no negative ones", "", table)
            thresholds = _whole(table, cell.threshold) if cell.threshold else np.zeros_like(strengths)
            banks.append(Bank(table, cell, strengths, thresholds))
        elif _is_capacitor(table):
            _put(circuit, table, cell or next(one for one in cells.values() if one.plates and not one.device), plates)
        else:
            raise _refused(f"`{table.bank}` has the law `{table.model.name}`, which no cell of {circuit.pdk} has",
                           "`use` the cells of the process, for example `use sky130.tanh_pair: TanhPair;`", table)
    target = grounded(circuit, capacitances(circuit))
    target[circuit.driven] = 0.0
    load = np.zeros(circuit.nodes.count)
    for bank in banks:
        farads = bank.cell.weight(bank.strengths) * np.array(bank.cell.fit.loads)[bank.forms]
        for column in bank.table.nodes.T:
            np.add.at(load, column, farads)
    load[0] = 0.0
    load[circuit.driven] = 0.0
    kinds = {cell.name: cell for cell in plates.values()}
    made = tuple((cell, np.array([node for node in circuit.free.tolist() if plates[node] is cell])) for cell in kinds.values())
    return Placement(tuple(banks), made, target, load)


def _put(circuit: Circuit, table: InstanceTable, cell: Cell, plates: dict[int, Cell]) -> None:
    """Note the cell that makes the capacitors of a bank, by node."""
    for row, node in enumerate(table.nodes[:, 0].tolist()):
        if plates.setdefault(node, cell) is not cell:
            raise _refused(f"`{table.name(row)}` is a {cell.name}, and node `{circuit.nodes.name(node)}` has a "
                           f"{plates[node].name} already", "one kind of capacitor at a node", table)


def _is_capacitor(table: InstanceTable) -> bool:
    law = table.model.law
    return len(law.capacitances) == 1 and not law.currents and not law.rates and bool(np.all(table.nodes[:, 1:] == 0))


def _whole(table: InstanceTable, name: str) -> np.ndarray:
    values = table.params[name]
    whole = np.round(values)
    wrong = np.flatnonzero(np.abs(values - whole) > WHOLE)
    if len(wrong):
        row = int(wrong[0])
        raise _refused(f"`{table.name(row)}` has {values[row]:.6g} units, which is no whole number",
                       "--passes 'quantize{grid=1}' rounds, and a training on whole numbers fits them better", table)
    return whole.astype(np.int64)


def _check(circuit: Circuit, found: Placement) -> None:
    short = np.flatnonzero(found.explicit < found.least)
    if len(short):
        node = int(short[np.argmin(found.explicit[short])])
        farads = [format_engineering(float(one[node]), "F", 3) for one in (found.target, found.load, found.least)]
        raise UsageError(Diagnostic(
            "KC0726", f"node `{circuit.nodes.name(node)}` has a capacitance of {farads[0]}, and its cells alone make "
            f"{farads[1]}; the smallest capacitor is {farads[2]}", circuit.nodes.bank(node).span,
            hint="--passes balance-capacitance makes all capacitors larger and all times longer; or fewer units at this node"))


def _refused(message: str, hint: str, table: InstanceTable) -> UsageError:
    return UsageError(Diagnostic("KC0726", message, table.span, hint=hint))
