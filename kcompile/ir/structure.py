"""Capacitances of the circuit, and whether every node has an equation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kcompile.diagnostics import Reporter
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.evaluate import Evaluator, Frame, Numbers, Rows
from kcompile.ir.names import format_name
from kcompile.syntax import nodes
from kcompile.syntax.contribution import take_apart

if TYPE_CHECKING:
    import scipy.sparse

MAX_NAMED = 3
"""Nodes named one by one in a diagnostic about many."""


@dataclass(frozen=True, eq=False)
class Capacitances:
    """Linear capacitors between two nodes: int32 and float64 columns, in farad."""

    start: np.ndarray
    stop: np.ndarray
    value: np.ndarray
    table: np.ndarray
    """Index of the instance table each came from."""
    row: np.ndarray


def table_capacitances(table: InstanceTable) -> list[tuple[int, int, np.ndarray]]:
    """(start terminal, stop terminal, farad per instance) of each charge of a bank; terminal -1 is gnd.

    Evaluated on the checked syntax, so that checking a program needs no sympy.
    """
    if not table.model.has_charge:
        return []
    names = {name: Numbers(np.array([value])) for name, value in table.model.constants}
    names.update({name: Numbers(column) for name, column in table.params.items()})
    evaluator = Evaluator(Frame(table.count, (), dict(names)), Rows(table.count, np.arange(table.count)))
    place = {name: k for k, name in enumerate(table.model.terminals)} | {"gnd": -1}
    found = []
    for item in table.model.definition.items:
        if not isinstance(item, nodes.Contribution):
            continue
        ends = [terminal.id for terminal in item.terminals] + ["gnd"] * (2 - len(item.terminals))
        for charge in take_apart(item.value).charges:
            across = [a.id for a in charge.voltage.arguments if isinstance(a, nodes.Name)] + ["gnd"]
            sign = -1.0 if charge.negative != (across[:2] != ends) else 1.0
            value = np.broadcast_to(sign * evaluator.finite(charge.coefficient), (table.count,))
            found.append((place[ends[0]], place[ends[1]], value))
    return found


def capacitances(circuit: Circuit) -> Capacitances:
    """All capacitors of a circuit."""
    parts: list[tuple[np.ndarray, ...]] = []
    for k, table in enumerate(circuit.tables):
        ground = np.zeros((table.count, 1), dtype=np.int32)
        ends = np.concatenate([table.nodes, ground], axis=1)  # column -1 is ground
        rows = np.arange(table.count)
        for start, stop, value in table_capacitances(table):
            parts.append((ends[:, start], ends[:, stop], value, np.full(table.count, k), rows))
    if not parts:
        empty = np.zeros(0, dtype=np.int32)
        return Capacitances(empty, empty, np.zeros(0), empty, empty)
    return Capacitances(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def capacitance_matrix(circuit: Circuit) -> scipy.sparse.csr_array:
    """C of C dv/dt = i over all nodes, ground included, in farad; sparse [nodes, nodes]."""
    import scipy.sparse

    caps = capacitances(circuit)
    apart = caps.start != caps.stop
    a, b, c = caps.start[apart], caps.stop[apart], caps.value[apart]
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    shape = (circuit.nodes.count, circuit.nodes.count)
    return scipy.sparse.csr_array(scipy.sparse.coo_array((np.concatenate([c, c, -c, -c]), (rows, columns)), shape=shape))


def grounded(circuit: Circuit, caps: Capacitances) -> np.ndarray:
    """float64[nodes]: total capacitance at each node, in farad."""
    apart = caps.start != caps.stop
    total = np.bincount(caps.start[apart], caps.value[apart], minlength=circuit.nodes.count)
    return total + np.bincount(caps.stop[apart], caps.value[apart], minlength=circuit.nodes.count)


def check_structure(circuit: Circuit, report: Reporter, open_ports: bool = False) -> None:
    """Report nodes without an equation and capacitances that leave one undetermined.

    `open_ports`: ports of a circuit that is only a part may get their capacitor where it is used.
    """
    caps = capacitances(circuit)
    negative = np.flatnonzero(caps.value < 0)
    if len(negative):
        table, row = circuit.tables[caps.table[negative[0]]], int(caps.row[negative[0]])
        report.error("KC0419", f"the capacitance of `{format_name(table.path, row)}` is negative "
                     f"({caps.value[negative[0]]:.3g} F)", table.place(row))
        return
    known = np.zeros(circuit.nodes.count, dtype=bool)
    known[0] = True
    known[circuit.driven] = True
    if open_ports:
        known[circuit.ports] = True
    live = (caps.value > 0) & (caps.start != caps.stop)
    touched = known.copy()
    touched[caps.start[live]] = True
    touched[caps.stop[live]] = True
    _report_nodes(circuit, np.flatnonzero(~touched), report, "KC0407", "carries no capacitance and is not driven, so it "
                  "has no equation", "add `Capacitor({}, gnd) {{ c = ... }};` or `drive {} = ...;`")
    start = np.where(known[caps.start[live]], 0, caps.start[live])
    stop = np.where(known[caps.stop[live]], 0, caps.stop[live])
    if np.all((start == 0) | (stop == 0)):
        return  # the common case: every capacitor goes to a known voltage, no graph is needed
    import scipy.sparse.csgraph  # 0.15 s, which a check of an ordinary program need not wait for

    graph = scipy.sparse.coo_array((np.ones(len(start)), (start, stop)), shape=(len(known), len(known)))
    _, island = scipy.sparse.csgraph.connected_components(graph, directed=False)
    floating = np.flatnonzero(touched & ~known & (island != island[0]))
    _report_nodes(circuit, floating, report, "KC0408", "is held by capacitors that reach neither gnd nor a driven node, "
                  "so its voltage is not determined", "add a capacitor from one of the island's nodes to gnd")


def _report_nodes(circuit: Circuit, found: np.ndarray, report: Reporter, code: str, message: str, hint: str) -> None:
    """One diagnostic per declaration, naming the first nodes of it."""
    banks: dict[int, list[int]] = {}
    for node in found[:10_000]:
        banks.setdefault(id(circuit.nodes.bank(int(node))), []).append(int(node))
    for members in banks.values():
        name = circuit.nodes.name(members[0])
        others = f" (and {len(members) - 1:,} more of its bank)" if len(members) > 1 else ""
        report.error(code, f"the node `{name}`{others} {message}", circuit.nodes.bank(members[0]).span,
                     hint=hint.format(name, name))
