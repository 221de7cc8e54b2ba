"""The pass `inline`: every device on a line of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from kcompile.ir.circuit import Circuit
from kcompile.passes.base import Contract, Pass, PassLog


@dataclass(frozen=True)
class Inline(Pass):
    """Writes every device on a line of its own, under its own name; undoes `outline`.

    Circuits inside circuits are flat from the start, so a circuit without outline is left as it is.
    """

    name: ClassVar[str] = "inline"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        return replace(circuit, outlined=False) if circuit.outlined else circuit


PASS = Inline
