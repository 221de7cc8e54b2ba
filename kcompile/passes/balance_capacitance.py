"""The pass `balance-capacitance`: cells weigh no more than a share of what they are connected to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.passes.base import Contract, Pass, PassLog, option
from kcompile.pdk.placement import SHARE, weigh

ABOVE = 1 + 1e-9
"""The factor is this much larger than what is needed, so that no rounding leaves a node above the share."""


@dataclass(frozen=True)
class BalanceCapacitance(Pass):
    """Makes all capacitances and all times larger, until cells load no node with more than a share of its capacitance.

    A load bends with the voltages, and the laws of the cells know nothing of it. Phases, times of waveforms and capacitances get
    the same factor, the smallest one that leaves `share` at the worst node, and leaves every node a capacitor that the process
    can make. Currents stay, so every voltage is what it was, that many times later. A circuit whose nodes are all below the
    share stays as it is. Use it last, where all devices are cells with whole numbers of units.
    """

    name: ClassVar[str] = "balance-capacitance"
    contract: ClassVar[Contract] = Contract.EXACT
    share: float = option(SHARE, "largest load of a node, as a part of its capacitance; `4%` or 0.04")

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            self.refuse(f"takes a share between 0 and 1, not {self.share!r}")

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.scaling import Factors, scaled

        before = weigh(circuit)
        node = int(np.argmax(before.share))
        log.fact("worst load share", float(before.share[node]))
        log.fact("at", circuit.nodes.name(node))
        log.fact("median", float(np.median(before.share[circuit.free])))
        needed = before.stretch(self.share)
        if needed <= 1:
            return circuit
        factor = needed * ABOVE
        made = scaled(circuit, Factors(second=factor))
        after = weigh(made).share
        log.fact("capacitances and times multiplied by", factor)
        log.fact("worst load share then", float(after[node]))
        log.fact("median then", float(np.median(after[circuit.free])))
        log.results["factor"] = factor
        return made


PASS = BalanceCapacitance
