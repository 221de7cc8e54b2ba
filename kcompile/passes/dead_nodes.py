"""The pass `dead-nodes`: without nodes that no output can see, and without what hangs on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, NodeBank, NodeTable, Stimulus, Wave, frozen
from kcompile.ir.names import take_rows
from kcompile.passes.base import Contract, Pass, PassLog, devices


@dataclass(frozen=True)
class DeadNodes(Pass):
    """Removes nodes whose voltage can reach no output, with the devices and sources that are left of them.

    Inputs, outputs and ports stay. A terminal that stood on such a node, at a device that does not read it, goes to ground.
    """

    name: ClassVar[str] = "dead-nodes"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.liveness import live_nodes, live_rows
        from kcompile.passes.models import take_masked

        live = live_nodes(circuit)
        kept = live.copy()
        for ids in (circuit.ports, circuit.inputs, circuit.outputs):
            kept[ids] = True
        if kept.all():
            return circuit
        # A node that stays for its name only keeps its capacitors, or it would have no equation.
        only_named = kept & ~live
        rows = [mask | table.model.has_charge & only_named[table.nodes].any(axis=1)
                for mask, table in zip(live_rows(circuit, live), circuit.tables, strict=True)]
        smaller = take_masked(circuit, rows)
        made = _renumbered(smaller, kept)
        log.count("nodes", circuit.nodes.count - 1, made.nodes.count - 1)
        log.count("devices", devices(circuit), devices(made))
        return made


PASS = DeadNodes


def _renumbered(circuit: Circuit, kept: np.ndarray) -> Circuit:
    number = np.where(kept, np.cumsum(kept) - 1, 0).astype(np.int32)
    banks, first = [], 1
    for bank in circuit.nodes.banks:
        rows = np.flatnonzero(kept[bank.first : bank.first + bank.count])
        if len(rows):
            path = bank.path if len(rows) == bank.count else take_rows(bank.path, rows)
            banks.append(NodeBank(path, first, len(rows), bank.span))
            first += len(rows)

    def moved(ids: np.ndarray) -> np.ndarray:
        return frozen(number[ids])

    stimuli = tuple(made for stimulus in circuit.stimuli if (made := _stimulus(stimulus, kept, number)) is not None)
    return replace(
        circuit, nodes=NodeTable(tuple(banks), frozen(circuit.nodes.initial[kept])), stimuli=stimuli,
        tables=tuple(_table(table, number) for table in circuit.tables), ports=moved(circuit.ports),
        inputs=moved(circuit.inputs), outputs=moved(circuit.outputs))


def _table(table: InstanceTable, number: np.ndarray) -> InstanceTable:
    return replace(table, nodes=frozen(number[table.nodes]))


def _stimulus(stimulus: Stimulus, kept: np.ndarray, number: np.ndarray) -> Stimulus | None:
    rows = np.flatnonzero(kept[stimulus.nodes])
    if not len(rows):
        return None
    return replace(stimulus, nodes=frozen(number[stimulus.nodes[rows]]),
                   wave=Wave(stimulus.wave.kind, frozen(stimulus.wave.arguments[rows])))
