"""What a target is and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kcompile.ir.circuit import Circuit


@dataclass(frozen=True)
class Artifact:
    """One file of a lowering: its plain name and its text. Writing it is the driver's act."""

    name: str
    text: str


class Target(Protocol):
    """Lowers a circuit.

    dialects: accepted spellings, the first is the default, empty when there is one; needs_end: whether the files hold a
    test bench, which needs a time to simulate; checked_by: simulators that can confirm the files, with commas between.
    """

    name: str
    dialects: tuple[str, ...]
    needs_end: bool
    checked_by: str

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]: ...


@dataclass(frozen=True)
class BenchOptions:
    """What a test bench needs beyond the circuit.

    until: seconds, None for the circuit's own duration; max_step: seconds, None for a thousandth of it; rtol: relative
    tolerance of the outside simulator. corner, temperature (degrees Celsius): of transistors, where the circuit has a process
    with cells; seed: of what corners that end in `_mm` draw; clocked: whether a circuit of cells with one time slice gets clocks
    too, as all with several do.
    """

    dialect: str = ""
    until: float | None = None
    max_step: float | None = None
    rtol: float = 1e-6
    corner: str = "tt"
    temperature: float = 27.0
    seed: int = 1
    clocked: bool = False
