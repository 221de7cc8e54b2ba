"""The flat circuit as JSON for other tools: `--target json`. docs/json.md says what it means, its schema is in docs/schema.

Laws are trees of operators, banks are columns. Every column stands on a line of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sympy

from kcompile.ir.circuit import Circuit, InstanceTable, SharedParam, Stimulus, Wave
from kcompile.ir.device import DeviceModel, Interval, Param
from kcompile.ir.expr import OPERATOR_OF, Branch, Expression
from kcompile.ir.names import Path
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.units import format_unit

VERSION = 1
"""Raised when a reader of the version before would misread a file."""


class JsonTarget:
    """`--target json`."""

    name = "json"
    dialects = ()
    needs_end = False
    checked_by = "ngspice"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        return (Artifact(f"{circuit.name}.json", "".join(_pieces(_view(circuit), "")) + "\n"),)


TARGET = JsonTarget()


class _Line(str):
    """JSON text that stands on one line."""

    __slots__ = ()


def _line(value: Any) -> _Line:
    return _Line(json.dumps(value, allow_nan=False))


def _pieces(value: Any, indent: str) -> Iterator[str]:
    """Pieces of text: objects, and lists of what stands on lines, over several lines; everything else on one."""
    if isinstance(value, Mapping):
        brackets, inside = "{}", [(f"{json.dumps(name)}: ", one) for name, one in value.items()]
    elif isinstance(value, list) and any(isinstance(one, Mapping | _Line) for one in value):
        brackets, inside = "[]", [("", one) for one in value]
    else:
        yield value if isinstance(value, _Line) else _line(value)
        return
    yield brackets[0]
    for k, (head, one) in enumerate(inside):
        yield f"{',' * (k > 0)}\n{indent} {head}"
        yield from _pieces(one, indent + " ")
    yield f"\n{indent}{brackets[1]}" if inside else brackets[1]


def _view(circuit: Circuit) -> dict[str, Any]:
    place = {id(model): k for k, model in enumerate(circuit.models)}
    return {
        "format": "kcompile circuit", "version": VERSION, "name": circuit.name, "pdk": circuit.pdk,
        "models": [_model(model) for model in circuit.models],
        "phases": [_line({"name": phase.name, "seconds": phase.duration}) for phase in circuit.phases],
        "nodes": {
            "count": circuit.nodes.count, "initial": _line(_column(circuit.nodes.initial)),
            "banks": [_line({"path": _path(b.path), "first": b.first, "count": b.count}) for b in circuit.nodes.banks]},
        "ports": _line(_column(circuit.ports)), "inputs": _line(_column(circuit.inputs)),
        "outputs": _line(_column(circuit.outputs)),
        "shared": [_shared(one) for one in circuit.shared],
        "drives": [_drive(stimulus) for stimulus in circuit.stimuli],
        "banks": [_bank(table, place[id(table.model)]) for table in circuit.tables]}


# ---- models -------------------------------------------------------------------------------------------------------------

def _model(model: DeviceModel) -> dict[str, Any]:
    law = model.law
    return {
        "name": model.name, "terminals": list(model.terminals),
        "params": [_param(param) for param in model.params if param.waveform is None],
        "waveforms": [param.name for param in model.waveforms],
        "states": [_line({"name": state.name, "unit": format_unit(state.dimension)}) for state in model.states],
        "currents": [_branch(branch, model) for branch in law.currents],
        "capacitances": [_branch(branch, model) for branch in law.capacitances],
        "rates": [_line(tree(value, model)) for value in law.rates],
        "starts": [_line(tree(value, model)) for value in law.initials]}


def _param(param: Param) -> _Line:
    return _line({"name": param.name, "unit": format_unit(param.dimension), "limits": _limits(param.interval),
                  "trainable": param.trainable})


def _limits(interval: Interval) -> dict[str, Any]:
    return {"lower": _number(interval.lower), "lower_closed": interval.lower_closed, "upper": _number(interval.upper),
            "upper_closed": interval.upper_closed}


def _branch(branch: Branch, model: DeviceModel) -> _Line:
    return _line({"from": branch.start, "to": branch.stop, "value": tree(branch.value, model)})


def tree(expr: Expression, model: DeviceModel) -> Any:
    """JSON of an expression: a number, `{"voltage"|"param"|"state"|"waveform": name}`, or `[operator, operands ..]`."""
    if expr.is_Number:
        return _number(float(expr))
    if expr.is_Symbol:
        return {_kind(expr.name, model): expr.name.removeprefix("V(").removesuffix(")")}
    if isinstance(expr, sympy.Pow):
        return ["whole_power", tree(expr.base, model), int(expr.exp)]
    operator = "add" if isinstance(expr, sympy.Add) else "mul" if isinstance(expr, sympy.Mul) else OPERATOR_OF[type(expr)]
    return [operator, *(tree(part, model) for part in expr.args)]


def _kind(name: str, model: DeviceModel) -> str:
    if name.startswith("V("):
        return "voltage"
    if any(state.name == name for state in model.states):
        return "state"
    return "waveform" if any(param.name == name for param in model.waveforms) else "param"


def _number(value: float) -> float | str:
    """A number; JSON has no infinite ones, which are texts."""
    return value if math.isfinite(value) else "inf" if value > 0 else "-inf"


# ---- columns ------------------------------------------------------------------------------------------------------------

def _column(column: np.ndarray) -> Any:
    """A list, `{"value": v, "count": n}` for equal values, or `{"first": a, "count": n}` for counting numbers."""
    count = len(column)
    if count > 1 and np.all(column == column[0]) and not np.any(np.signbit(column) != np.signbit(column[0])):
        return {"value": _number(column[0].item()), "count": count}
    if count > 2 and column.dtype.kind == "i" and np.all(np.diff(column) == 1):
        return {"first": column[0].item(), "count": count}
    values = column.tolist()
    return values if np.all(np.isfinite(column)) else [_number(value) for value in values]


def _path(path: Path) -> list[dict[str, Any]]:
    """Parts of a dotted name: one name or one per row, then extents or a column per subscript."""
    parts: list[dict[str, Any]] = []
    for segment in path:
        parts.append({"name": segment.text} if isinstance(segment.text, str) else {"names": list(segment.text)})
        if segment.index is not None:
            parts[-1]["index"] = [_column(column) for column in segment.index.T]
        elif segment.extents:
            parts[-1]["extents"] = list(segment.extents)
    return parts


def _shared(one: SharedParam) -> dict[str, Any]:
    return {"name": one.name, "unit": format_unit(one.dimension), "shape": list(one.shape),
            "limits": _line(_limits(one.interval)), "trainable": one.trainable, "values": _line(_column(one.values))}


def _wave(wave: Wave) -> dict[str, Any]:
    return {"kind": wave.kind, "arguments": [_line(_column(column)) for column in wave.arguments.T]}


def _drive(stimulus: Stimulus) -> dict[str, Any]:
    return {"nodes": _line(_column(stimulus.nodes)), "inner": stimulus.inner, **_wave(stimulus.wave)}


def _bank(table: InstanceTable, model: int) -> dict[str, Any]:
    return {
        "path": _line(_path(table.path)), "count": table.count, "model": model, "phase": table.phase,
        "fixed": sorted(table.fixed), "terminals": [_line(_column(column)) for column in table.nodes.T],
        "params": {name: _line(_column(column)) for name, column in table.params.items() if name not in table.ties},
        "ties": {name: _line({"shared": tie.shared, "index": _column(tie.index)}) for name, tie in table.ties.items()},
        "waveforms": {name: _wave(wave) for name, wave in table.waves.items()}}
