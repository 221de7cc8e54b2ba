"""Invariants of the flat circuit, checked whenever one is made; a violation is a bug of a pass, not of a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kcompile.ir.circuit import Circuit, InstanceTable


class InvalidCircuit(Exception):
    """A circuit breaks an invariant of the IR; the text names the first few."""


def verify(circuit: Circuit) -> None:
    """Raise `InvalidCircuit` naming every broken invariant."""
    problems = list(_nodes(circuit))
    for table in circuit.tables:
        problems += [f"bank {table.bank}: {problem}" for problem in _table(circuit, table)]
    for shared in circuit.shared:
        if shared.values.shape != (int(np.prod(shared.shape)),):
            problems.append(f"shared parameter {shared.name} has {shared.values.shape} values for shape {shared.shape}")
        elif not np.all(shared.interval.holds(shared.values)):
            problems.append(f"shared parameter {shared.name} leaves its limits {shared.interval}")
    if any(not (np.isfinite(phase.duration) and phase.duration > 0) for phase in circuit.phases):
        problems.append("a phase has no positive duration")
    if len({phase.name for phase in circuit.phases}) != len(circuit.phases):
        problems.append("two phases have one name")
    if problems:
        raise InvalidCircuit(f"circuit {circuit.name}: " + "; ".join(problems[:5]))


def _nodes(circuit: Circuit) -> Iterator[str]:
    count = circuit.nodes.count
    at = 1
    for bank in circuit.nodes.banks:
        if bank.first != at or bank.count < 0:
            yield f"node bank {bank.path[-1].text} starts at {bank.first}, expected {at}"
            return
        at += bank.count
    if at != count or count < 1:
        yield f"the banks hold {at} nodes, the table {count}"
    if not np.all(np.isfinite(circuit.nodes.initial)) or circuit.nodes.initial[0] != 0.0:
        yield "initial voltages are not all finite with ground at 0 V"
    for name in ("ports", "inputs", "outputs", "driven"):
        ids = getattr(circuit, name)
        if ids.dtype != np.int32 or ids.ndim != 1 or (len(ids) and (ids.min() < 0 or ids.max() >= count)):
            yield f"{name} are not int32 nodes of the circuit"
    if len(np.unique(circuit.driven)) != len(circuit.driven) or (len(circuit.driven) and circuit.driven.min() == 0):
        yield "a node is driven twice, or ground is"
    for stimulus in circuit.stimuli:
        if len(stimulus.wave.arguments) != len(stimulus.nodes) or not _finite(stimulus.wave.arguments):
            yield "a stimulus has no finite row of arguments for each of its nodes"


def _finite(arguments: np.ndarray) -> bool:
    return not np.any(np.isnan(arguments))


def _table(circuit: Circuit, table: InstanceTable) -> Iterator[str]:
    n = table.count
    model = table.model
    if table.nodes.dtype != np.int32 or table.nodes.shape != (n, len(model.terminals)):
        yield f"nodes are {table.nodes.dtype}{table.nodes.shape}, expected int32 ({n}, {len(model.terminals)})"
    elif n and (table.nodes.min() < 0 or table.nodes.max() >= circuit.nodes.count):
        yield "a node number is out of range"
    if table.phase is not None and not 0 <= table.phase < len(circuit.phases):
        yield f"phase {table.phase} does not exist"
    if table.phase is not None and model.has_charge:
        yield "a capacitance stands inside a phase"
    if any(array.flags.writeable for array in (table.nodes, *table.params.values())):
        yield "an array is writable"
    wanted = {p.name for p in model.params if p.waveform is None}
    if set(table.params) != wanted:
        yield f"parameters {sorted(table.params)} given, {sorted(wanted)} expected"
        return
    if set(table.waves) != {p.name for p in model.waveforms}:
        yield "waveform parameters do not fit the model"
    for param in model.params:
        if param.waveform is not None:
            continue
        column = table.params[param.name]
        if column.shape != (n,) or column.dtype != np.float64:
            yield f"parameter {param.name} is {column.dtype}{column.shape}, expected float64 ({n},)"
        elif not np.all(param.interval.holds(column)) or not np.all(np.isfinite(column)):
            yield f"parameter {param.name} leaves its limits {param.interval}"
    shared = {one.name: one for one in circuit.shared}
    for name, tie in table.ties.items():
        if tie.shared not in shared or tie.index.shape != (n,):
            yield f"parameter {name} is tied to nothing"
        elif n and (tie.index.min() < 0 or tie.index.max() >= len(shared[tie.shared].values)):
            yield f"parameter {name} is tied outside {tie.shared}"
        elif not np.array_equal(shared[tie.shared].values[tie.index], table.params[name]):
            yield f"parameter {name} differs from {tie.shared}, which it is tied to"
