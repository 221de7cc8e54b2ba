"""The canonical text of a circuit: laws as devices, banks as columns. `reader.py` reads it back to the same circuit.

Line by line: a keyword and its values. A column is a list of numbers, `n * v` for one value n times, or `a..b` for
counting whole numbers. Floats are in the fewest digits that read back exactly; everything is in SI units.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, Wave
from kcompile.ir.device import DeviceModel, Interval
from kcompile.ir.names import Path
from kcompile.syntax import nodes
from kcompile.syntax.contribution import names
from kcompile.syntax.format_device import format_device
from kcompile.units import format_unit

FORMAT = "kcir 1"
PER_LINE = 16


def print_circuit(circuit: Circuit) -> str:
    """Canonical text of a circuit."""
    return "\n".join(_lines(circuit)) + "\n"


def _lines(circuit: Circuit) -> Iterator[str]:
    yield FORMAT
    yield f"circuit {circuit.name}"
    if circuit.pdk is not None:
        yield f"pdk {circuit.pdk}"
    if circuit.outlined:
        yield "outlined"
    place = {id(model): k for k, model in enumerate(circuit.models)}
    for model in circuit.models:
        yield ""
        yield from _model(model)
    yield ""
    for phase in circuit.phases:
        yield f"phase {phase.name} {phase.duration!r}"
    for bank in circuit.nodes.banks:
        yield f"nodes {_path(bank.path)} {bank.count}"
        yield from _segments(bank.path)
    yield _column("initial", circuit.nodes.initial)
    for word in ("ports", "inputs", "outputs"):
        yield _column(word, getattr(circuit, word))
    for one in circuit.shared:
        shape = "x".join(map(str, one.shape)) or "1"
        yield f"shared {one.name} {shape} {format_unit(one.dimension)} {_interval(one.interval)}{' trainable' * one.trainable}"
        yield _column("values", one.values)
    for stimulus in circuit.stimuli:
        yield f"drive {'inner' if stimulus.inner else 'port'} {stimulus.wave.kind} {stimulus.wave.arguments.shape[1]}"
        yield _column("on", stimulus.nodes)
        yield from _wave(stimulus.wave)
    for table in circuit.tables:
        yield ""
        yield from _table(table, place[id(table.model)])


def _model(model: DeviceModel) -> Iterator[str]:
    used = {name.id for item in model.definition.items for name in _read_names(item)}
    dimensions = dict(model.dimensions)
    for name, value in model.constants:
        if name in used:
            dimension = dimensions[name]
            yield f"const {name} {value!r}" + ("" if dimension is None else f" {format_unit(dimension)}")
    yield format_device(model.definition)


def _read_names(item: nodes.DeviceItem) -> Iterator[nodes.Name]:
    parts = [item.value] if isinstance(item, nodes.Contribution | nodes.Equation) else [
        item.initial] if isinstance(item, nodes.State) else [item.default, *(
            (item.interval.lower, item.interval.upper) if item.interval else ())]
    for part in parts:
        if part is not None:
            yield from names(part)


def _interval(interval: Interval) -> str:
    return str(interval).replace(" ", "")


def _path(path: Path) -> str:
    """Segments joined by `/`: `x:2x5` with extents, `cell#1` with index columns, `*` with one identifier per row."""
    return "/".join(
        ("*" if isinstance(s.text, tuple) else s.text)
        + (f"#{s.index.shape[1]}" if s.index is not None else ":" + "x".join(map(str, s.extents)) if s.extents else "")
        for s in path)


def _segments(path: Path) -> Iterator[str]:
    for segment in path:
        if isinstance(segment.text, tuple):
            yield _wrapped("names", segment.text)
        if segment.index is not None:
            for column in segment.index.T:
                yield _column("index", column)


def _table(table: InstanceTable, model: int) -> Iterator[str]:
    phase = "always" if table.phase is None else str(table.phase)
    fixed = "".join(f" {name}" for name in sorted(table.fixed))
    yield f"bank {_path(table.path)} {table.count} model {model} phase {phase}{' fixed' + fixed if fixed else ''}"
    yield from _segments(table.path)
    for column in table.nodes.T:
        yield _column("terminal", column)
    for param in table.model.params:
        if param.name in table.waves:
            wave = table.waves[param.name]
            yield f"wave {param.name} {wave.kind} {wave.arguments.shape[1]}"
            yield from _wave(wave)
        elif param.name in table.ties:
            tie = table.ties[param.name]
            yield _column(f"tie {param.name} {tie.shared}", tie.index)
        else:
            yield _column(f"param {param.name}", table.params[param.name])


def _wave(wave: Wave) -> Iterator[str]:
    for column in wave.arguments.T:
        yield _column("argument", column)


def _column(head: str, column: np.ndarray) -> str:
    if len(column) == 0:
        return f"{head} none"
    if len(column) > 1 and np.all(column == column[0]) and not np.any(np.signbit(column) != np.signbit(column[0])):
        return f"{head} {len(column)} * {column[0].item()!r}"
    if len(column) > 2 and column.dtype.kind == "i" and np.all(np.diff(column) == 1):
        return f"{head} {column[0]}..{int(column[-1]) + 1}"
    return _wrapped(head, [repr(value) for value in column.tolist()])


def _wrapped(head: str, cells) -> str:
    if len(cells) <= PER_LINE:
        return f"{head} {' '.join(cells)}"
    rows = [" ".join(cells[k : k + PER_LINE]) for k in range(0, len(cells), PER_LINE)]
    return head + "".join(f"\n  {row}" for row in rows)
