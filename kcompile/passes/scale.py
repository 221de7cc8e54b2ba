"""The pass `scale`: a dimensionless network inside physical limits, with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.passes.base import Contract, Pass, PassLog, option
from kcompile.units import CURRENT, TIME, VOLTAGE, Dimension, format_unit

if TYPE_CHECKING:
    from kcompile.passes.ranges import Ranges
    from kcompile.passes.scaling import Factors


_LARGEST = 1e40
"""Factors up to here leave room for the powers in which they occur."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """factors: from the old units to the new; ranges: of the old circuit, which the factors were chosen from.

    head_room: by name of a node (`x[3]`), or of a parameter or capacitance, the limit over the value: at least 1 is inside.
    Nodes are measured against the swing, all else against the limits of the process.
    """

    factors: Factors
    ranges: Ranges
    head_room: dict[str, float]

    @property
    def limiting(self) -> tuple[str, float]:
        """Name and head room of what is closest to its limit, or furthest beyond it."""
        return min(self.head_room.items(), key=lambda item: (item[1], item[0]))


@dataclass(frozen=True)
class Scale(Pass):
    """Scales voltages, currents and times of a network to physical limits; the waveforms keep their form.

    `swing` is what the largest node voltage becomes, `time` what all phases together take (one second of the model in a
    circuit without phases), `current` what the strongest device gives at most. What is not given keeps its unit. The largest
    voltage is found as `range-analysis` does, from the inputs between `lower` and `upper`. Every parameter, limit, constant
    and literal is multiplied by the factor of its dimension, so the equations stay the same, exactly but for rounding, and
    the inverse factors give the circuit back. The certificate is the result `scale` of the run: the factors, the head room
    of every node against the swing and of every parameter and capacitance against the limits of the process, and the one
    that limits.
    """

    name: ClassVar[str] = "scale"
    contract: ClassVar[Contract] = Contract.EXACT
    swing: float | None = option(None, "largest node voltage", VOLTAGE)
    time: float | None = option(None, "sum of the phases", TIME)
    current: float | None = option(None, "largest device current", CURRENT)
    lower: float | None = option(None, "lowest input voltage of the model", VOLTAGE)
    upper: float | None = option(None, "highest input voltage of the model", VOLTAGE)
    until: float | None = option(None, "time of the model that is looked at", TIME)
    samples: int = option(16, "simulations, where bounds do not close; 0 leaves them open")
    seed: int = option(0, "of the random inputs of simulations")
    pdk: str = option("", "process whose limits are compared; the circuit's own by default")

    def __post_init__(self) -> None:
        from kcompile.passes.range_analysis import RangeAnalysis

        targets = {"swing": self.swing, "time": self.time, "current": self.current}
        if all(value is None for value in targets.values()):
            self.refuse("takes at least one of swing, time and current", "for example scale{swing=0.6 V,time=100 ns}")
        for name, value in targets.items():
            if value is not None and not 0 < value < np.inf:
                self.refuse(f"takes a {name} above 0, not {value!r}")
        RangeAnalysis(self.lower, self.upper, self.until, self.samples, self.seed)  # refuses what it would refuse

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.ranges import find_ranges, start_of
        from kcompile.passes.scaling import scaled

        ranges = find_ranges(circuit, start_of(circuit, self.lower, self.upper), self.until, self.samples, self.seed)
        factors = self._factors(circuit, ranges)
        made = scaled(circuit, factors)
        certificate = Certificate(factors, ranges, self._head_room(circuit, made, ranges, factors))
        log.results["scale"] = certificate
        for unit, factor in (("V", factors.volt), ("A", factors.ampere), ("s", factors.second)):
            if factor != 1.0:
                log.fact(f"1 {unit} becomes", factor, unit)
        log.fact("nodes bounded by intervals", f"{int(ranges.proved[1:].sum()):,} of {circuit.nodes.count - 1:,}")
        if certificate.head_room:
            name, room = certificate.limiting
            log.fact("least head room", room)
            log.fact("at", name)
        return made

    def _factors(self, circuit: Circuit, ranges: Ranges) -> Factors:
        from kcompile.passes.scaling import Factors

        volts = float(ranges.largest.max(initial=0.0))
        amperes = max((float(ranges.currents(table).max(initial=0.0)) for table in circuit.tables), default=0.0)
        seconds = circuit.duration or 1.0
        for name, wanted, found in (("swing", self.swing, volts), ("current", self.current, amperes)):
            if wanted is not None and not 0 < found < np.inf:
                self.refuse(f"cannot reach a {name}: the largest one of the circuit is {found:g}")
        factors = [1.0 if wanted is None else wanted / found for wanted, found in (
            (self.swing, volts), (self.current, amperes), (self.time, seconds))]
        for unit, factor in zip(("V", "A", "s"), factors, strict=True):
            if not 1 / _LARGEST <= factor <= _LARGEST:
                self.refuse(f"would make {factor:.3g} {unit} of 1 {unit}, and values leave the range of numbers",
                            "the circuit reaches values that no network has; range-analysis shows where")
        return Factors(*factors)

    def _head_room(self, before: Circuit, after: Circuit, ranges: Ranges, factors: Factors) -> dict[str, float]:
        from kcompile.ir.structure import capacitances, grounded
        from kcompile.pdk.load import load_pdk
        from kcompile.units import CAPACITANCE

        found: dict[str, float] = {}
        if self.swing is not None:
            with np.errstate(divide="ignore"):
                rooms = self.swing / (ranges.largest * factors.volt)
            found.update(zip(before.nodes.names[1:], rooms[1:].tolist(), strict=True))
        name = self.pdk or after.pdk
        if not name:
            return found
        limits = load_pdk(name).limits

        def compare(what: str, values: np.ndarray, dimension: Dimension) -> None:
            limit = limits.get(dimension)
            sizes = np.abs(values[values != 0])
            if limit is not None and len(sizes):
                above = limit.upper / sizes.max()
                below = sizes.min() / limit.lower if limit.lower > 0 else np.inf
                found[f"{what} [{format_unit(dimension)}]"] = float(min(above, below))

        for shared in after.shared:
            compare(shared.name, shared.values, shared.dimension)
        for table in after.tables:
            for param in table.model.params:
                if param.name in table.params and param.name not in table.ties:
                    compare(f"{table.bank}.{param.name}", table.params[param.name], param.dimension)
        total = grounded(after, capacitances(after))
        total[after.driven] = 0.0
        compare("capacitance of a node", total, CAPACITANCE)
        return found


PASS = Scale
