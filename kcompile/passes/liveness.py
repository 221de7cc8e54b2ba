"""Which nodes can influence an output: what the passes `dead-devices` and `dead-nodes` go by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression
from kcompile.ir.structure import table_capacitances


def observed(circuit: Circuit) -> np.ndarray:
    """int32: outputs, and ports that the outside may look at; every node where there are none."""
    watched = np.setdiff1d(np.concatenate([circuit.outputs, circuit.ports]), circuit.driven)
    return watched if len(watched) else np.arange(1, circuit.nodes.count)


def live_nodes(circuit: Circuit) -> np.ndarray:
    """bool[nodes]: nodes whose voltage can reach an observed one. Ground is; a driven node is where it is read."""
    import scipy.sparse.csgraph

    count = circuit.nodes.count
    edges = [np.zeros((2, 0), dtype=np.int64), *_reads(circuit)]
    start, stop = np.concatenate(edges, axis=1)
    free = np.zeros(count, dtype=bool)
    free[circuit.free] = True
    # A driven node follows its source whatever flows into it, so nothing is read on its behalf.
    useful = free[start] & (start != stop)
    # One more vertex that reads every observed node: all are reached from it in one search.
    roots = observed(circuit)
    start = np.concatenate([start[useful], np.full(len(roots), count)])
    stop = np.concatenate([stop[useful], roots])
    graph = scipy.sparse.csr_array((np.ones(len(start), dtype=np.int8), (start, stop)), shape=(count + 1, count + 1))
    live = np.zeros(count + 1, dtype=bool)
    live[scipy.sparse.csgraph.breadth_first_order(graph, count, return_predecessors=False)] = True
    live[0] = True
    return live[:count]


def live_rows(circuit: Circuit, live: np.ndarray) -> Iterator[np.ndarray]:
    """bool[n] for each table: devices that bring a current or charge to a live node that is free."""
    needed = live.copy()
    needed[0] = False
    needed[circuit.driven] = False
    for table in circuit.tables:
        mask = np.zeros(table.count, dtype=bool)
        for start, stop in branches(table.model):
            mask |= needed[ends_of(table, start)] | needed[ends_of(table, stop)]
        yield mask


def branches(model: DeviceModel) -> list[tuple[str, str]]:
    """(start, stop) terminals of every current and capacitance."""
    return [(branch.start, branch.stop) for branch in (*model.law.currents, *model.law.capacitances)]


def read_terminals(model: DeviceModel, expr: Expression) -> list[str]:
    """Terminals whose voltage an expression reads, itself or through a state."""
    names = {symbol.name for symbol in expr.free_symbols}
    if names & {state.name for state in model.states}:
        names |= {symbol.name for rate in model.law.rates for symbol in rate.free_symbols}
    return [terminal for terminal in model.terminals if f"V({terminal})" in names]


def _reads(circuit: Circuit) -> Iterator[np.ndarray]:
    """int64[2, n]: (node, node that its equation reads)."""
    for table in circuit.tables:
        for branch in table.model.law.currents:
            for terminal in read_terminals(table.model, branch.value):
                read = ends_of(table, terminal)
                for end in (branch.start, branch.stop):
                    yield np.stack([ends_of(table, end), read]).astype(np.int64)
        ends = np.concatenate([table.nodes, np.zeros((table.count, 1), dtype=np.int32)], axis=1)
        for a, b, _ in table_capacitances(table):
            # a capacitor between two nodes puts the rate of each into the equation of the other
            yield np.stack([ends[:, a], ends[:, b]]).astype(np.int64)
            yield np.stack([ends[:, b], ends[:, a]]).astype(np.int64)


def ends_of(table: InstanceTable, terminal: str) -> np.ndarray:
    """int32[n]: nodes of a terminal; ground for `gnd`."""
    if terminal == "gnd":
        return np.zeros(table.count, dtype=np.int32)
    return table.nodes[:, table.model.terminals.index(terminal)]
