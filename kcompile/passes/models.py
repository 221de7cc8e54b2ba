"""Circuits with other device models: what passes that rewrite laws have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.device import DeviceModel


def map_models(circuit: Circuit, change: Callable[[DeviceModel, Sequence[InstanceTable]], DeviceModel]) -> Circuit:
    """Circuit with each model changed once; `change` also gets the tables of the model. Lost parameters go from the tables."""
    made = {id(model): change(model, [t for t in circuit.tables if t.model is model]) for model in circuit.models}
    if all(made[id(model)] is model for model in circuit.models):
        return circuit
    return replace(circuit, tables=tuple(_table(table, made[id(table.model)]) for table in circuit.tables))


def _table(table: InstanceTable, model: DeviceModel) -> InstanceTable:
    if model is table.model:
        return table
    names = {param.name for param in model.params}
    return replace(table, model=model, params={name: column for name, column in table.params.items() if name in names},
                   fixed=table.fixed & names)


def operations(model: DeviceModel) -> int:
    """Operations of a law with two operands or one, common parts once."""
    import sympy

    parts = {part for value in model.law.expressions for part in sympy.preorder_traversal(value) if part.args}
    return sum(max(len(part.args) - 1, 1) for part in parts)


def is_free(tables: Sequence[InstanceTable], name: str) -> bool:
    """Whether a parameter belongs to its instances: neither a waveform nor tied to a shared one."""
    return all(name in table.params and name not in table.ties for table in tables)


def is_trained(table: InstanceTable, name: str) -> bool:
    """Whether training may change a parameter of a bank."""
    param = next(param for param in table.model.params if param.name == name)
    return param.trainable and name not in table.fixed


def take_masked(circuit: Circuit, keep: Sequence[np.ndarray]) -> Circuit:
    """Circuit with the rows that bool masks keep, one mask per table; empty banks are gone."""
    tables = [table if mask.all() else table.take(np.flatnonzero(mask))
              for table, mask in zip(circuit.tables, keep, strict=True) if mask.any()]
    return circuit if len(tables) == len(circuit.tables) and all(mask.all() for mask in keep) else replace(
        circuit, tables=tuple(tables))
