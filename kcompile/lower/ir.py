"""The canonical text of the IR as a target: `--target ir`."""

from __future__ import annotations

from kcompile.ir.circuit import Circuit
from kcompile.ir.printer import print_circuit
from kcompile.lower.base import Artifact, BenchOptions


class IrTarget:
    """`--target ir`: one text, the same for every bench."""

    name = "ir"
    dialects = ()
    needs_end = False
    checked_by = "ngspice"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        return (Artifact(f"{circuit.name}.kcir", print_circuit(circuit)),)


TARGET = IrTarget()
