"""Where a cell is measured: a corner and a temperature, on models of its process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kcompile.pdk.cell import Cell
from kcompile.pdk.find import Installation
from kcompile.pdk.schema import Signals
from kcompile.pdk.trim import Models, trim


@dataclass(frozen=True)
class Condition:
    """A corner, and a temperature in degrees Celsius."""

    corner: str
    temperature: float

    def __str__(self) -> str:
        return f"{self.corner} {self.temperature:g} C"


def conditions(signals: Signals) -> Iterator[Condition]:
    """All corners at all temperatures, the typical condition first."""
    yield from (Condition(corner, temperature) for corner in signals.corners for temperature in signals.temperatures)


@dataclass(frozen=True)
class Bench:
    """What measurements of a cell share: the process as it is installed, its signals, the cell, and that of the bias lines."""

    found: Installation
    signals: Signals
    cell: Cell
    bias: Cell

    def models(self, corner: str) -> Models:
        """Models of the transistors of the cell and of the bias lines in a corner."""
        return trim(self.found, corner, self.cell.transistors | self.bias.transistors)

    def files(self, corner: str) -> dict[str, str]:
        """Files that a deck includes, by name."""
        return {"models.lib": self.models(corner).text, "bias.spice": self.bias.netlist, "cell.spice": self.cell.netlist}
