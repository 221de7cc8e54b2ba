"""Invariants of the flat circuit, checked whenever one is made; a violation is a bug of a pass, not of a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from kcompile.ir.names import Path, bank_name
from kcompile.ir.waves import broken_rules
from kcompile.syntax.functions import WAVEFORMS

if TYPE_CHECKING:
    from kcompile.ir.circuit import Circuit, InstanceTable, SharedParam, Wave


class InvalidCircuit(Exception):
    """A circuit breaks an invariant of the IR; the text names the first few."""


def verify(circuit: Circuit) -> None:
    """Raise `InvalidCircuit` naming every broken invariant."""
    problems = list(_nodes(circuit))
    for k, stimulus in enumerate(circuit.stimuli):
        problems += [f"drive {k}: {problem}" for problem in _wave(stimulus.wave, len(stimulus.nodes))]
    for shared in circuit.shared:
        problems += [f"shared parameter {shared.name} {problem}" for problem in _shared(shared)]
    for table in circuit.tables:
        problems += [f"bank {table.bank}: {problem}" for problem in _table(circuit, table)]
    for phase in circuit.phases:
        if not (np.isfinite(phase.duration) and phase.duration > 0):
            problems.append(f"phase {phase.name} lasts {phase.duration} s")
    problems += _twice("phases", [phase.name for phase in circuit.phases])
    problems += _twice("shared parameters", [shared.name for shared in circuit.shared])
    problems += _twice("node banks", [bank_name(bank.path) for bank in circuit.nodes.banks])
    problems += _twice("banks", [table.bank for table in circuit.tables])
    if problems:
        raise InvalidCircuit(f"circuit {circuit.name}: " + "; ".join(problems[:5]))


def _twice(what: str, names: Iterable[str]) -> list[str]:
    return [f"two {what} are called {name}" for name, count in Counter(names).items() if count > 1]


def _array(array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> Iterator[str]:
    """What is wrong with an array, as the end of a sentence; `shape` has -1 where any length is right."""
    if array.dtype != dtype or array.ndim != len(shape) or any(n not in (-1, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("n" if n < 0 else str(n) for n in shape)
        yield f"is {array.dtype}{array.shape}, expected {np.dtype(dtype)}({wanted})"
    elif array.flags.writeable:
        yield "is writable"


def _inside(array: np.ndarray, count: int) -> bool:
    return len(array) == 0 or 0 <= array.min() <= array.max() < count


def _nodes(circuit: Circuit) -> Iterator[str]:
    count = circuit.nodes.count
    at = 1
    for bank in circuit.nodes.banks:
        if bank.first != at or bank.count < 0:
            yield f"node bank {bank_name(bank.path)} starts at {bank.first} with {bank.count} nodes, expected {at}"
            return
        yield from (f"node bank {bank_name(bank.path)}: {problem}" for problem in _path(bank.path, bank.count))
        at += bank.count
    if at != count or count < 1:
        yield f"the banks hold {at} nodes, the table {count}"
        return
    problems = [f"initial {problem}" for problem in _array(circuit.nodes.initial, np.float64, (count,))]
    yield from problems
    if not problems and (not np.all(np.isfinite(circuit.nodes.initial)) or circuit.nodes.initial[0] != 0.0):
        yield "initial voltages are not all finite with ground at 0 V"
    lists = {name: getattr(circuit, name) for name in ("ports", "inputs", "outputs")}
    lists |= {f"the nodes of drive {k}": stimulus.nodes for k, stimulus in enumerate(circuit.stimuli)}
    for name, ids in lists.items():
        problems = [f"{name}: the array {problem}" for problem in _array(ids, np.int32, (-1,))]
        yield from problems
        if problems:
            return
        if not _inside(ids, count):
            yield f"{name} are not nodes of the circuit"
            return
        if np.any(ids == 0):
            yield f"{name} hold ground"
    for name, ids in {"ports": circuit.ports, "inputs": circuit.inputs, "driven nodes": circuit.driven}.items():
        if len(np.unique(ids)) != len(ids):
            yield f"a node stands twice among the {name}"
    if np.any(np.isin(circuit.inputs, circuit.driven)):
        yield "an input is driven"


def _path(path: Path, count: int) -> Iterator[str]:
    """Names must tell the rows apart: index columns and names are one per row, extents divide the count."""
    named = False
    each = 1
    for segment in path:
        if segment.index is not None and (segment.index.ndim != 2 or len(segment.index) != count):
            yield f"the index of {bank_name((segment,))} has the shape {segment.index.shape} for {count} rows"
        if not isinstance(segment.text, str) and len(segment.text) != count:
            yield f"{len(segment.text)} names are given for {count} rows"
        named |= segment.index is not None or not isinstance(segment.text, str)
        each *= int(np.prod(segment.extents, dtype=np.int64))
    if each < 1 or count % each or (count != each and not named):
        yield f"extents of {each} rows do not name {count}"


def _shared(shared: SharedParam) -> Iterator[str]:
    if any(extent < 1 for extent in shared.shape):
        yield f"has the shape {shared.shape}"
        return
    problems = list(_array(shared.values, np.float64, (int(np.prod(shared.shape, dtype=np.int64)),)))
    yield from problems
    if not problems and not np.all(shared.interval.holds(shared.values) & np.isfinite(shared.values)):
        yield f"leaves its limits {shared.interval}"


def _wave(wave: Wave, count: int) -> Iterator[str]:
    if wave.kind not in WAVEFORMS:
        yield f"{wave.kind} is not a waveform"
        return
    width = len(WAVEFORMS[wave.kind].arguments) or -1
    problems = [f"the arguments of {wave.kind}: the array {problem}"
                for problem in _array(wave.arguments, np.float64, (count, width))]
    yield from problems
    if not problems:
        if width < 0 and (wave.arguments.shape[1] < 2 or wave.arguments.shape[1] % 2):
            yield f"{wave.kind} does not take {wave.arguments.shape[1]} arguments"
        else:
            for name, rule in broken_rules(wave.kind, wave.arguments):
                yield f"{name} of {wave.kind} breaks its rule: {rule}"


def _table(circuit: Circuit, table: InstanceTable) -> Iterator[str]:
    n = table.count
    model = table.model
    yield from _path(table.path, n)
    problems = [f"nodes: the array {problem}" for problem in _array(table.nodes, np.int32, (n, len(model.terminals)))]
    yield from problems
    if not problems and table.nodes.size and not _inside(table.nodes.reshape(-1), circuit.nodes.count):
        yield "a node number is out of range"
    if table.phase is not None and not 0 <= table.phase < len(circuit.phases):
        yield f"phase {table.phase} does not exist"
    if table.phase is not None and model.has_charge:
        yield "a capacitance stands inside a phase"
    if table.origin is not None and table.origin.shape != (n,):
        yield f"{len(table.origin)} origins are given for {n} rows"
    trainable = {param.name for param in model.params if param.trainable}
    if not table.fixed <= trainable:
        yield f"{sorted(table.fixed - trainable)[0]} is fixed and not trainable"
    wanted = {p.name for p in model.params if p.waveform is None}
    if set(table.params) != wanted:
        yield f"parameters {sorted(table.params)} given, {sorted(wanted)} expected"
        return
    if set(table.waves) != {p.name for p in model.waveforms}:
        yield f"waveforms {sorted(table.waves)} given, {sorted(p.name for p in model.waveforms)} expected"
        return
    for name, wave in table.waves.items():
        yield from (f"waveform {name}: {problem}" for problem in _wave(wave, n))
    right = True
    for param in model.params:
        if param.waveform is None:
            problems = [f"parameter {param.name} {problem}" for problem in _array(table.params[param.name], np.float64, (n,))]
            yield from problems
            right &= not problems
            column = table.params[param.name]
            if not problems and not np.all(param.interval.holds(column) & np.isfinite(column)):
                yield f"parameter {param.name} leaves its limits {param.interval}"
            elif not problems and param.integral and np.any(column != np.round(column)):
                yield f"parameter {param.name} is not a whole number"
    if right:
        yield from _ties(circuit, table)


def _ties(circuit: Circuit, table: InstanceTable) -> Iterator[str]:
    shared = {one.name: one for one in circuit.shared}
    for name, tie in table.ties.items():
        problems = [f"the index of the tie of {name} {problem}" for problem in _array(tie.index, np.int32, (table.count,))]
        yield from problems
        if name not in table.params or tie.shared not in shared:
            yield f"parameter {name} is tied to nothing ({tie.shared})"
        elif not problems and not _inside(tie.index, len(shared[tie.shared].values)):
            yield f"parameter {name} is tied outside {tie.shared}"
        elif not problems and not np.array_equal(shared[tie.shared].values[tie.index], table.params[name]):
            yield f"parameter {name} differs from {tie.shared}, which it is tied to"
