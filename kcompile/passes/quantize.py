"""The pass `quantize`: trainable parameters on a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, frozen
from kcompile.ir.device import Interval
from kcompile.passes.base import Contract, Pass, PassLog, option

MAX_BITS = 24


@dataclass(frozen=True)
class Quantize(Pass):
    """Rounds every trainable parameter to a grid, as a converter of few bits would hold it.

    With `bits` each parameter of a bank, and each shared one, has 2^bits levels from its smallest to its largest value. With
    `grid` the levels are multiples of one step, in the SI unit of the parameter. A level outside the limits is replaced by
    the next one inside. Fixed parameters and those of capacitances stay. The bound that is printed is the largest error of
    any dv/dt for node voltages within the swing.
    """

    name: ClassVar[str] = "quantize"
    contract: ClassVar[Contract] = Contract.BOUNDED
    bits: int | None = option(None, "levels of each parameter, as a power of two")
    grid: float | None = option(None, "step of the levels, in the SI unit of each parameter")
    swing: float = option(4.0, "node voltages lie within plus and minus this, for the bound")

    def __post_init__(self) -> None:
        if (self.bits is None) == (self.grid is None):
            self.refuse("takes bits or a grid, one of them", "for example quantize{bits=6}")
        if self.bits is not None and not 1 <= self.bits <= MAX_BITS:
            self.refuse(f"takes 1 to {MAX_BITS} bits, not {self.bits!r}")
        if self.grid is not None and not 0 < self.grid < np.inf:
            self.refuse(f"takes a grid above 0, not {self.grid!r}")
        if not 0 < self.swing < np.inf:
            self.refuse(f"takes a swing above 0 V, not {self.swing!r}")

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.error_bound import swing_box
        from kcompile.passes.sensitivity import moved_error

        held = {tie.shared for table in circuit.tables for name, tie in table.ties.items() if name in _held(table)}
        shared = tuple(replace(one, values=self._rounded(one.values, one.interval))
                       if one.trainable and one.name not in held else one for one in circuit.shared)
        columns = {one.name: one.values for one in shared}
        tables = tuple(self._table(table, columns) for table in circuit.tables)
        made = replace(circuit, shared=shared, tables=tables)
        names = circuit.trainable()
        if not names:
            return circuit
        old, new = circuit.parameters(), made.parameters()
        moved = [np.abs(new[name] - old[name]).max(initial=0.0) / (float(np.ptp(old[name])) or 1.0) for name in names]
        levels = [len(np.unique(new[name])) for name in names]
        log.fact("parameters rounded", len(names))
        log.fact("most levels of one", max(levels))
        log.fact("largest error over the range of a parameter", float(max(moved)))
        error = moved_error(circuit, made, swing_box(circuit, self.swing))
        log.bounds["rate"] = error.rates()
        log.fact("error of dv/dt at most", float(log.bounds["rate"].max(initial=0.0)), "V/s")
        return made

    def _table(self, table: InstanceTable, shared: dict[str, np.ndarray]) -> InstanceTable:
        from kcompile.passes.models import is_trained

        params = dict(table.params)
        for param in table.model.params:
            if param.name in table.ties:
                tie = table.ties[param.name]
                params[param.name] = frozen(shared[tie.shared][tie.index])
            elif param.name in params and is_trained(table, param.name) and param.name not in _held(table):
                params[param.name] = self._rounded(params[param.name], param.interval)
        return replace(table, params=params)

    def _rounded(self, values: np.ndarray, interval: Interval) -> np.ndarray:
        if not len(values):
            return values
        start, step = 0.0, self.grid or 0.0
        if self.bits is not None:
            start = float(values.min())
            step = float(np.ptp(values)) / (2**self.bits - 1)
        if step == 0.0 or not np.isfinite(step):
            return values
        rounded = start + np.round((values - start) / step) * step
        for inwards in (step, -step):  # a level on an open end, or beyond a closed one
            rounded = np.where(interval.holds(rounded), rounded, rounded + inwards)
            rounded = np.where(interval.holds(rounded), rounded, rounded - inwards)
        return frozen(np.where(interval.holds(rounded) & np.isfinite(rounded), rounded, values))


PASS = Quantize


def _held(table: InstanceTable) -> set[str]:
    """Parameters that a capacitance of the law reads."""
    return {symbol.name for branch in table.model.law.capacitances for symbol in branch.value.free_symbols}
