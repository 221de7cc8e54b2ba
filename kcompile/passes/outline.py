"""The pass `outline`: repeated structure is written once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from kcompile.ir.circuit import Circuit
from kcompile.passes.base import Contract, Pass, PassLog, devices


@dataclass(frozen=True)
class Outline(Pass):
    """Writes repeated structure as subcircuits, so that netlists stay small.

    Nodes with devices of the same laws, values and neighbourhood are found by their structure, not by how the program said
    it, and joined to larger and larger blocks: a line of a thousand sections becomes some ten subcircuits. The equations stay
    the same. Trained values that all differ repeat nothing. Nodes inside a block are named by their place in it; inputs,
    outputs and ports keep their names. `inline` undoes it.
    """

    name: ClassVar[str] = "outline"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.ir.blocks import find_blocks

        found = find_blocks(circuit)
        if not found.blocks:
            return circuit
        log.count("cards of devices", devices(circuit), found.lines)
        log.fact("subcircuits", len(found.blocks))
        return replace(circuit, outlined=True)


PASS = Outline
