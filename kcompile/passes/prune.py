"""The pass `prune`: without devices whose current is small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.passes.base import Contract, Pass, PassLog, devices, option
from kcompile.units import CURRENT, VOLTAGE


@dataclass(frozen=True)
class Prune(Pass):
    """Removes devices whose current cannot exceed a threshold, or the weakest fraction of all.

    How strong a device is, is bounded over all node voltages within the swing, by interval arithmetic on its law. The bound
    that is printed is the largest error of any dv/dt there: all that was removed at a node, over its capacitance. Capacitors
    and devices with inner states are not removed. A swing that the circuit leaves makes the bound void: `range-analysis`
    tells how far it goes.
    """

    name: ClassVar[str] = "prune"
    contract: ClassVar[Contract] = Contract.BOUNDED
    threshold: float | None = option(None, "largest current of a device that may go", CURRENT)
    fraction: float | None = option(None, "part of the devices to remove, 0 to 1")
    swing: float = option(4.0, "node voltages lie within plus and minus this", VOLTAGE)

    def __post_init__(self) -> None:
        if (self.threshold is None) == (self.fraction is None):
            self.refuse("takes a threshold or a fraction, one of them", "for example prune{threshold=1e-4}")
        if self.threshold is not None and not 0 <= self.threshold < np.inf:
            self.refuse(f"takes a threshold of 0 A or more, not {self.threshold!r}")
        if self.fraction is not None and not 0 <= self.fraction <= 1:
            self.refuse(f"takes a fraction from 0 to 1, not {self.fraction!r}")
        if not 0 < self.swing < np.inf:
            self.refuse(f"takes a swing above 0 V, not {self.swing!r}")

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.error_bound import ErrorBound, swing_box
        from kcompile.passes.models import take_masked

        box = swing_box(circuit, self.swing)
        strong = {k: np.max([box.largest(table, branch.value) for branch in table.model.law.currents], axis=0)
                  for k, table in enumerate(circuit.tables) if _may_go(table)}
        limit = self._limit(np.concatenate([*strong.values(), np.zeros(0)]))
        keep = [strong[k] > limit if k in strong else np.ones(table.count, dtype=bool)
                for k, table in enumerate(circuit.tables)]
        made = take_masked(circuit, keep)
        log.count("devices", devices(circuit), devices(made))
        error = ErrorBound(circuit)
        for table, mask in zip(circuit.tables, keep, strict=True):
            if not mask.all():
                gone = table.take(np.flatnonzero(~mask))
                for branch in gone.model.law.currents:
                    error.add(gone, branch.start, branch.stop, box.largest(gone, branch.value))
        log.bounds["rate"] = error.rates()
        if made is not circuit:
            log.fact("error of a current at most", error.current, "A")
            log.fact("of dv/dt at most", float(log.bounds["rate"].max(initial=0.0)), "V/s")
        return made

    def _limit(self, strengths: np.ndarray) -> float:
        """Strength up to which devices go."""
        if self.threshold is not None:
            return self.threshold
        count = int(np.floor(float(self.fraction or 0.0) * len(strengths)))
        if count == 0:
            return -1.0
        # Devices of equal strength go together or not at all, or the order of the program would decide.
        ordered = np.sort(strengths)
        if count < len(ordered) and ordered[count] == ordered[count - 1]:
            weaker = ordered[ordered < ordered[count]]
            return float(weaker[-1]) if len(weaker) else -1.0
        return float(ordered[count - 1])


PASS = Prune


def _may_go(table: InstanceTable) -> bool:
    return not table.model.states and not table.model.has_charge and len(table.model.law.currents) > 0
