"""The pass `simplify`: shorter laws with the same values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kcompile.ir.bounds import Bounds, everywhere
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.device import DeviceModel
from kcompile.passes.base import Contract, Pass, PassLog


@dataclass(frozen=True)
class Simplify(Pass):
    """Rewrites each law to a shorter one with the same values.

    The limits of parameters are assumptions: with `k in [0 S, 8 S]`, `relu(k)` is `k`. A comparison that they decide is
    taken, functions of numbers are computed, common factors stand outside sums. Rules are exact for every float, up to
    rounding; a law that would not get shorter stays as it is.
    """

    name: ClassVar[str] = "simplify"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.models import map_models, operations

        counts: list[tuple[int, int]] = []

        def change(model: DeviceModel, tables: Sequence[InstanceTable]) -> DeviceModel:
            before = operations(model)
            made = _simplified(model)
            after = operations(made)
            if after >= before:
                return model
            counts.append((before, after))
            return made

        made = map_models(circuit, change)
        log.count("operations of laws", sum(b for b, _ in counts), sum(a for _, a in counts))
        if counts:
            log.fact("laws changed", len(counts))
        return made


PASS = Simplify


def _simplified(model: DeviceModel) -> DeviceModel:
    from kcompile.ir.unparse import with_law
    from kcompile.passes import rules

    known = assumptions(model)
    return with_law(model, model.law.map(lambda expr: rules.rewrite(expr, rules.ALL, known)))


def assumptions(model: DeviceModel) -> dict[str, Bounds]:
    """Bounds of every symbol of a law: the limits of parameters, anything for voltages, states and waveforms."""
    import numpy as np

    known = {f"V({terminal})": everywhere() for terminal in model.terminals}
    known |= {state.name: everywhere() for state in model.states}
    return known | {param.name: (np.asarray(param.interval.lower), np.asarray(param.interval.upper)) for param in model.params}
