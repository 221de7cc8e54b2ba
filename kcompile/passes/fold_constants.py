"""The pass `fold-constants`: parameters that are the same everywhere become numbers of their law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.device import DeviceModel
from kcompile.passes.base import Contract, Pass, PassLog


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Turns parameters that have one value on all instances of a device into numbers of its law.

    They are then no longer columns of a netlist, and what they make constant is computed once. Parameters that training
    may change, shared ones and waveforms stay; so does the only parameter of a device, which is its value in a netlist
    (the ohms of a resistor). Folded parameters can no longer be set by name: give `--set` and `--weights` before.
    """

    name: ClassVar[str] = "fold-constants"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.models import map_models

        columns = [0, 0]

        def change(model: DeviceModel, tables: Sequence[InstanceTable]) -> DeviceModel:
            values = _constants(model, tables)
            plain = [param for param in model.params if param.waveform is None]
            columns[0] += len(plain)
            columns[1] += len(plain) - len(values)
            return _folded(model, values) if values else model

        made = map_models(circuit, change)
        log.count("parameters of devices", *columns)
        return made


PASS = FoldConstants


def _constants(model: DeviceModel, tables: Sequence[InstanceTable]) -> dict[str, float]:
    """Value of each parameter that is the same on all rows of all tables and may not be trained."""
    from kcompile.passes.models import is_free, is_trained

    found: dict[str, float] = {}
    if len(model.params) == 1:
        return found
    for param in model.params:
        if not is_free(tables, param.name) or any(is_trained(table, param.name) for table in tables):
            continue
        first = tables[0].params[param.name][:1]
        if len(first) and all(np.all(table.params[param.name] == first) for table in tables):
            found[param.name] = float(first[0])
    return found


def _folded(model: DeviceModel, values: dict[str, float]) -> DeviceModel:
    from kcompile.ir.expr import Expression, number, symbol
    from kcompile.ir.unparse import with_law
    from kcompile.passes.rules import CONSTANT, rewrite
    from kcompile.passes.simplify import assumptions

    known = assumptions(model)
    numbers = {symbol(name): number(value) for name, value in values.items()}

    def fold(expr: Expression) -> Expression:
        return rewrite(expr.xreplace(numbers), CONSTANT, known)

    return with_law(model, model.law.map(fold), [param for param in model.params if param.name not in values])
