"""The circuit as a stand-alone C++ library with a C header: `--target cpp`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.kernels.plan import Plan
from kcompile.kernels.source import kernel_values
from kcompile.kernels.structs import ProblemStruct
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.render import Card, render
from kcompile.sim.pack import System
from kcompile.sim.schedule import fixed_schedule
from kcompile.sim.tableau import RK4

MAX_DEVICES = 200_000
"""Devices of a library: its arrays are text that a compiler reads."""

STEPS = 1000
"""Steps of the whole run, as the test benches of netlists have."""

_TYPES = {"f4": "float", "f8": "double", "i4": "int32_t", "i8": "int64_t"}


class CppTarget:
    """`--target cpp`."""

    name = "cpp"
    dialects = ("float64", "float32")
    needs_end = True
    checked_by = "ngspice"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        if (total := sum(table.count for table in circuit.tables)) > MAX_DEVICES:
            raise UsageError(Diagnostic("KC0541", f"a C++ library holds at most {MAX_DEVICES:,} devices, this one has {total:,}",
                                        hint="kc.CircuitModule runs it in C++ all the same"))
        view = _view(circuit, options)
        return (Artifact(f"{circuit.name}.cpp", render("cpp/library.cpp.j2", view)),
                Artifact(f"{circuit.name}.h", render("cpp/library.h.j2", view)))


TARGET = CppTarget()


@dataclass(frozen=True)
class ArrayText:
    """A constant array: its name, the type of its elements and their text."""

    name: str
    type: str
    values: Card


@dataclass(frozen=True)
class GroupText:
    """A group of devices; columns are names of arrays."""

    number: int
    law: int
    homes: int
    devices: int
    columns: tuple[str, ...]


def _view(circuit: Circuit, options: BenchOptions) -> dict[str, object]:
    end = options.until or circuit.duration
    assert end is not None
    steps = int(np.ceil(end / options.max_step)) if options.max_step else STEPS
    system = System(circuit)
    schedule = fixed_schedule(circuit, max(1, -(-steps // max(len(circuit.phases), 1))), None if circuit.phases else end)
    nothing = np.full(system.size, np.inf)
    double = options.dialect != "float32"
    plan = Plan(system, schedule, RK4, lower=-nothing, upper=nothing, record=(schedule.count,), double=double)
    arrays, groups = _groups(plan)
    arrays += [_array(name, value) for name, value in plan.fields.items() if isinstance(value, np.ndarray)]
    fields = [_field(field[0], plan.fields.get(field[0])) for field in ProblemStruct._fields_]
    place = {int(node): k for k, node in enumerate(system.free)} | {int(node): -1 - k for k, node in enumerate(system.driven)}
    arrays += [_array("start_values", system.initial.astype(plan.real)),
               _array("input_places", np.array([place[int(n)] for n in circuit.inputs], dtype=np.int32)),
               _array("output_places", np.array([place[int(n)] for n in circuit.outputs], dtype=np.int32))]
    last = np.zeros(1, dtype=plan.real) if plan.drives is None else plan.drives[-1, -1]
    arrays.append(_array("last_drives", last))
    arrays += [_array(name, value) for name, value in (("drives", plan.drives), ("push", plan.push)) if value is not None]
    names = circuit.nodes.names
    return kernel_values(plan.laws, plan.real.itemsize == 8, 4) | {
        "title": f"{circuit.name}: {len(names) - 1:,} nodes, {end:g} s", "name": circuit.name, "kind": _TYPES[plan.real.str[1:]],
        "arrays": arrays, "groups": groups, "fields": fields, "unknowns": system.size, "inputs": len(circuit.inputs),
        "outputs": len(circuit.outputs), "has_drives": plan.drives is not None, "has_push": plan.push is not None,
        "method": plan.method.name, "steps": schedule.count,
        **{f"{kind}_names": " ".join(names[n] for n in nodes) or "none" for kind, nodes in (
            ("input", circuit.inputs), ("output", circuit.outputs))}}


def _field(name: str, value: int | np.ndarray | None) -> str:
    """Text of a field of the structure: an array is known by the name of its field."""
    if name == "groups" or isinstance(value, np.ndarray):
        return name
    return "nullptr" if value is None else str(value)


def _groups(plan: Plan) -> tuple[list[ArrayText], list[GroupText]]:
    arrays, groups = [], []
    for k, one in enumerate(plan.groups.values()):
        runs, columns, strides = one.runs, [], []
        for p, param in enumerate(one.group.model.params):
            wave = one.waves.get(p)
            column = wave.reshape(-1) if wave is not None else np.concatenate(
                [table.params[param.name] for table in one.group.tables])[runs.order].astype(plan.real)
            arrays.append(_array(f"group{k}_p{p}", column))
            columns.append(f"group{k}_p{p}")
            strides.append(0 if wave is None else runs.count)
        arrays += [_array(f"group{k}_{name}", getattr(runs, name).reshape(-1))
                   for name in ("home", "runs", "others", "start", "middle")]
        arrays.append(_array(f"group{k}_strides", np.array([*strides, 0], dtype=np.int64)))
        groups.append(GroupText(k, one.law, len(runs.home), runs.count, tuple(columns)))
    return arrays, groups


def _array(name: str, values: np.ndarray) -> ArrayText:
    """Numbers that read back exactly; an array without elements holds one zero, because C++ has none that are empty."""
    flat = values.reshape(-1).tolist() or [0]
    suffix = "f" if values.dtype == np.float32 else ""
    text = ", ".join(repr(float(np.float32(v)) if suffix else v) + suffix for v in flat)
    return ArrayText(name, _TYPES[values.dtype.str[1:]], Card(text))
