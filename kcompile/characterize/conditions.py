"""Where a cell is measured: a corner and a temperature, on models of its process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kcompile.lower.columns import number
from kcompile.pdk.cell import Cell
from kcompile.pdk.find import Installation
from kcompile.pdk.load import load_pdk
from kcompile.pdk.schema import Signals
from kcompile.pdk.trim import Models, trim
from kcompile.render import render
from kcompile.units import VOLTAGE
from kcompile.verify.deck import Deck
from kcompile.verify.judge import Run
from kcompile.verify.retry import STATIC, run_retried
from kcompile.verify.run_ngspice import run_ngspice

GMIN = "1e-15"
"""Siemens that ngspice adds at every junction; its default of 1e-12 is a thousandth of a unit current over the range."""


@dataclass(frozen=True)
class Condition:
    """A corner, and a temperature in degrees Celsius."""

    corner: str
    temperature: float

    def __str__(self) -> str:
        return f"{self.corner} {self.temperature:g} C"


def conditions(signals: Signals) -> Iterator[Condition]:
    """All corners at all temperatures, the typical condition first."""
    yield from (Condition(*one) for one in signals.conditions)


@dataclass(frozen=True)
class Bench:
    """What measurements of a cell share: the process as it is installed, its signals, the cell, and that of the bias lines.

    watch: called with what is measured now, and with what was tried where ngspice found no solution at once.
    """

    found: Installation
    signals: Signals
    cell: Cell
    bias: Cell
    watch: Callable[[str], None] = lambda said: None

    def models(self, corner: str) -> Models:
        """Models of the transistors of the cell and of the bias lines in a corner."""
        return trim(self.found, corner, self.cell.transistors | self.bias.transistors)

    @property
    def ends(self) -> tuple[str, ...]:
        """Nets of the terminals of the cell in a deck."""
        return ("s", "d")[: len(self.cell.law.terminals)]

    def deck(self, template: str, condition: Condition, values: Mapping[str, Any]) -> Deck:
        """A deck in a condition, of a template of `cells/` and what only that one reads."""
        models = self.models(condition.corner)
        files = {"models.lib": models.text, "bias.spice": self.bias.netlist, "cell.spice": self.cell.netlist}
        main = render(f"cells/{template}.cir.j2", {**self._view(condition), "files": list(files), **values})
        return Deck("main.cir", {"main.cir": main, **files}, models.modules)

    def run(self, deck: Deck, until: float, expected: Sequence[str]) -> Run:
        """A good run of a deck, up to the last value of its sweep; raises `ToolMissing`, `SimulatorFailed`."""
        run, tries = run_retried(lambda cut: deck, lambda made: run_ngspice(made, expected=expected, until=until), STATIC)
        for text in tries:
            self.watch(f"{self.cell.name}: {text}")
        return run

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest voltage of a terminal in a deck."""
        limit = load_pdk(self.cell.pdk).limits[VOLTAGE]
        return self.signals.common_mode + limit.lower, self.signals.common_mode + limit.upper

    @property
    def full_scale(self) -> float:
        """Amperes of one unit that errors are parts of."""
        return self.cell.full_scale(self.signals.unit_current)

    def placed(self, strength: int, threshold: int = 0) -> dict[str, Any]:
        """What templates read of the cell at a strength and a threshold: its terminals, all its pins, subcircuit and sizes."""
        cell = self.cell
        name = cell.subcircuits[int(cell.form(np.array(strength), np.array(threshold)))]
        levels = {pin: "vdd" if high else "0" for pin, high in cell.levels(strength).items()}
        lines = [{"vss": "0", **levels}.get(pin, pin) for pin in cell.pins[name][len(self.ends):]]
        sizes = "".join(f" {key}={value:g}" for key, value in cell.sizes(strength, threshold).items())
        return {"ends": self.ends, "pins": [*self.ends, *lines], "subcircuit": name, "values": f"params:{sizes}" if sizes else ""}

    def _view(self, condition: Condition) -> dict[str, Any]:
        """What the templates of all measurements read."""
        signals = self.signals
        return {"options": " ".join([*self.found.library.options, f"gmin={GMIN}"]), "temperature": number(condition.temperature),
                "supply": number(signals.supply), "common": number(signals.common_mode),
                "reference": number(signals.unit_current * signals.bias_units), "units": signals.bias_units}
