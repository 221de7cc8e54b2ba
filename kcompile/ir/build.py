"""Module to circuit: which circuit is the top, rails into clamps, the final structural checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kcompile.diagnostics import Diagnostic, Reporter, Source, UsageError, accepted, nearest
from kcompile.ir.circuit import Circuit, InstanceTable, frozen
from kcompile.ir.device import DeviceModel
from kcompile.ir.elaborate import Elaborated, Elaborator
from kcompile.ir.model import build_model
from kcompile.ir.names import Segment
from kcompile.ir.structure import capacitances, check_structure, grounded
from kcompile.syntax import nodes
from kcompile.syntax.check import instantiated
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse_rule

RAIL_RATE = 100.0
"""Default clamp: g = 100/s times the capacitance of the node."""

RAIL_LAW = """device Rail(n) {
    param lower: voltage;
    param upper: voltage;
    param g: conductance in (0, inf);
    I(n) <+ g * (relu(V(n) - upper) - relu(lower - V(n)));
}
"""
"""The law that `rail [lower, upper]` means."""


def tops(module: Module) -> list[nodes.Circuit]:
    """Circuits of a file that no circuit instantiates, in order."""
    circuits = [d for d in module.own if isinstance(d, nodes.Circuit)]
    used = {item.model.id for circuit in circuits for item in instantiated(circuit)}
    return [circuit for circuit in circuits if circuit.name.id not in used]


def find_top(module: Module, name: str | None) -> nodes.Circuit:
    """The circuit to compile; raises `UsageError` KC0415 when there is none or the choice is open."""
    circuits = {d.name.id: d for d in module.own if isinstance(d, nodes.Circuit)}
    if name is not None:
        if name in circuits:
            return circuits[name]
        raise UsageError(Diagnostic("KC0415", f"there is no circuit `{name}` in {module.program.source.name}",
                                    hint=nearest(name, circuits) or accepted(circuits)))
    candidates = tops(module)
    if len(candidates) == 1:
        return candidates[0]
    if not circuits:
        raise UsageError(Diagnostic("KC0415", f"{module.program.source.name} declares no circuit",
                                    hint="a program needs `circuit NAME { ... }`"))
    names = [circuit.name.id for circuit in candidates]
    raise UsageError(Diagnostic("KC0415", f"{module.program.source.name} has {len(names)} circuits that nobody uses",
                                hint=f"choose one with --top: {', '.join(names[:12])}"))


def build(module: Module, top: nodes.Circuit, report: Reporter, settings: Mapping[str, float] | None = None,
          open_ports: bool = False) -> Circuit | None:
    """Flat circuit of a top of a checked module; None after reports."""
    elaborated = Elaborator(report).top(top, module, settings or {})
    if elaborated is None:
        return None
    circuit = _with_rails(elaborated)
    check_structure(circuit, report, open_ports)
    return None if report.failed else circuit


def rail_model() -> DeviceModel:
    """The clamp behind `rail`."""
    return build_model(parse_rule(Source("rail", RAIL_LAW), "device"), {}, {})


def _with_rails(elaborated: Elaborated) -> Circuit:
    circuit = elaborated.circuit
    if not elaborated.rails:
        return circuit
    total = grounded(circuit, capacitances(circuit))
    model = rail_model()
    tables: list[InstanceTable] = []
    for rail in elaborated.rails:
        g = rail.conductance if rail.conductance is not None else RAIL_RATE * total[rail.nodes]
        # A driven node, or one that the structure check will refuse, has nothing to clamp.
        keep = np.flatnonzero((g > 0) & ~np.isin(rail.nodes, circuit.driven))
        if len(keep) == 0:
            continue
        columns = {"lower": rail.lower[keep], "upper": rail.upper[keep], "g": g[keep]}
        path = (Segment("rail"), *(segment.take(keep) for segment in rail.path))
        tables.append(InstanceTable(path, model, None, frozen(rail.nodes[keep].reshape(-1, 1).astype(np.int32)),
                                    {name: frozen(column) for name, column in columns.items()}, {}, {}, frozenset(), rail.span))
    return replace(circuit, tables=(*circuit.tables, *tables))
