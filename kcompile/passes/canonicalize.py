"""The pass `canonicalize`: one form for circuits that are the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, frozen
from kcompile.ir.device import DeviceModel
from kcompile.passes.base import Contract, Pass, PassLog, devices


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Gives a circuit one form: equal laws are one model, and what never carries a current is gone.

    Gone are devices whose ends are one node, devices with a gain of zero that training may not change, and empty banks. A
    device that is the same with its terminals exchanged, such as a resistor, gets the lower node first and ground last.
    """

    name: ClassVar[str] = "canonicalize"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.models import take_masked

        merged = _one_model_each(circuit)
        made = take_masked(merged, [_carries(table) for table in merged.tables])
        turned = tuple(_oriented(table) for table in made.tables)
        log.count("models", len(circuit.models), len(made.models))
        log.count("banks", len(circuit.tables), len(made.tables))
        log.count("devices", devices(circuit), devices(made))
        exchanged = sum(int(np.any(a.nodes != b.nodes, axis=1).sum()) for a, b in zip(made.tables, turned, strict=True))
        if exchanged:
            log.fact("devices turned round", exchanged)
            made = replace(made, tables=turned)
        return made


PASS = Canonicalize


def _one_model_each(circuit: Circuit) -> Circuit:
    from kcompile.syntax.format_device import format_device

    first: dict[object, DeviceModel] = {}
    for model in circuit.models:
        first.setdefault((format_device(model.definition), model.constants), model)
    if len(first) == len(circuit.models):
        return circuit
    return replace(circuit, tables=tuple(replace(table, model=first[format_device(table.model.definition), table.model.constants])
                                         for table in circuit.tables))


def _carries(table: InstanceTable) -> np.ndarray:
    """bool[n]: devices that can carry a current."""
    from kcompile.passes.linearity import scale_parameters
    from kcompile.passes.liveness import branches
    from kcompile.passes.models import is_trained

    keep = np.zeros(table.count, dtype=bool)
    ends = {name: table.nodes[:, k] for k, name in enumerate(table.model.terminals)}
    ends["gnd"] = np.zeros(table.count, dtype=np.int32)
    for start, stop in branches(table.model):
        keep |= ends[start] != ends[stop]
    if table.model.states:
        keep[:] = True  # their states are waveforms that a user may look at
    for name, by_reciprocal in scale_parameters(table.model).items():
        if not by_reciprocal and name not in table.ties and not is_trained(table, name):
            keep &= table.params[name] != 0
    return keep


def _oriented(table: InstanceTable) -> InstanceTable:
    from kcompile.passes.linearity import is_reversible

    if not is_reversible(table.model):
        return table
    order = np.where(table.nodes == 0, np.iinfo(np.int32).max, table.nodes)
    nodes = np.where((order[:, 0] > order[:, 1])[:, None], table.nodes[:, ::-1], table.nodes)
    return replace(table, nodes=frozen(nodes.astype(np.int32)))
