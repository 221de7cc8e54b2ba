"""The pass `range-analysis`: how far node voltages and device currents go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.passes.base import Contract, Pass, PassLog, option
from kcompile.units import TIME, VOLTAGE


@dataclass(frozen=True)
class RangeAnalysis(Pass):
    """Bounds every node voltage and device current over a box of input voltages; the circuit stays as it is.

    A bound is proved where a box closes: where no current can carry a node out of it, or the time is too short to get
    further. Elsewhere it is what simulations from the box showed, from every other one a corner, and no proof. Both are
    counted, and the widest node and the strongest device are named. Without `lower` and `upper` the box is the initial
    voltages of the circuit. In Python the bounds of all nodes are the result `ranges` of the run.
    """

    name: ClassVar[str] = "range-analysis"
    contract: ClassVar[Contract] = Contract.EXACT
    lower: float | None = option(None, "lowest input voltage", VOLTAGE)
    upper: float | None = option(None, "highest input voltage", VOLTAGE)
    until: float | None = option(None, "time that is looked at; the phases by default", TIME)
    samples: int = option(16, "simulations, where bounds do not close; 0 leaves them open")
    seed: int = option(0, "of the random inputs of simulations")

    def __post_init__(self) -> None:
        if (self.lower is None) != (self.upper is None):
            self.refuse("takes `lower` and `upper` together")
        if self.lower is not None and self.upper is not None and not -np.inf < self.lower <= self.upper < np.inf:
            self.refuse(f"takes a lower voltage that is not above the upper one, not {self.lower!r} and {self.upper!r}")
        if self.until is not None and not 0 < self.until < np.inf:
            self.refuse(f"takes a time above 0 s, not {self.until!r}")
        if not 0 <= self.samples <= 100_000:
            self.refuse(f"takes 0 to 100,000 samples, not {self.samples!r}")
        if self.seed < 0:
            self.refuse(f"takes a seed of 0 or more, not {self.seed!r}")

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.ranges import find_ranges, start_of

        ranges = find_ranges(circuit, start_of(circuit, self.lower, self.upper), self.until, self.samples, self.seed)
        log.results["ranges"] = ranges
        proved = int(ranges.proved[1:].sum())
        seen = circuit.nodes.count - 1 - proved
        if proved:
            log.fact("nodes bounded by intervals", proved)
        if seen:
            log.fact(f"by {ranges.samples} simulation{'s' * (ranges.samples > 1)}" if ranges.samples else "not bounded", seen)
        if circuit.nodes.count > 1:
            widest = int(np.argmax(ranges.largest))
            log.fact("largest voltage", float(ranges.largest[widest]), "V")
            log.fact("at", circuit.nodes.name(widest))
        strongest = max(((float(currents.max()), table.name(int(currents.argmax()))) for table in circuit.tables
                         if len(currents := ranges.currents(table))), default=None)
        devices = [ranges.proved_currents(table) for table in circuit.tables]
        if strongest is not None:
            log.fact("device currents bounded by intervals", f"{sum(int(p.sum()) for p in devices):,} of "
                     f"{sum(map(len, devices)):,}")
            log.fact("largest current", strongest[0], "A")
            log.fact("through", strongest[1])
        return circuit


PASS = RangeAnalysis
