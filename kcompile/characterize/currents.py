"""Currents of a cell with two terminals over all voltages of both, as ngspice finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kcompile.characterize.conditions import Bench, Condition
from kcompile.lower.columns import number
from kcompile.pdk.load import load_pdk
from kcompile.render import render
from kcompile.units import VOLTAGE
from kcompile.verify.deck import Deck
from kcompile.verify.run_ngspice import run_ngspice

GMIN = "1e-15"
"""Siemens that ngspice adds at every junction; its default of 1e-12 is a thousandth of a unit current over the range."""


@dataclass(frozen=True, eq=False)
class CurrentMap:
    """float64[points]: voltages of both terminals against the common mode, the current into the cell at s and out of it at d,
    both over the full scale of the strength, and the supply current in amperes."""

    strength: int
    s: np.ndarray
    d: np.ndarray
    into: np.ndarray
    out: np.ndarray
    supply: np.ndarray

    @property
    def imbalance(self) -> np.ndarray:
        """float64[points]: what goes in and does not come out."""
        return np.abs(self.into - self.out)


def measure_currents(bench: Bench, condition: Condition, strength: int) -> CurrentMap:
    """The map of a cell at one strength; raises `ToolMissing`, `SimulatorFailed`."""
    signals, cell = bench.signals, bench.cell
    assert cell.currents is not None
    limit = load_pdk(cell.pdk).limits[VOLTAGE]
    low, high = signals.common_mode + limit.lower, signals.common_mode + limit.upper
    files = bench.files(condition.corner)
    main = render("cells/currents.cir.j2", {
        **common_view(bench, condition, strength), "title": f"currents of {cell.name}, {condition}", "files": list(files),
        "low": number(low), "high": number(high), "step": number(cell.currents.step)})
    run = run_ngspice(Deck("main.cir", {"main.cir": main, **files}), until=high,
                      expected=["v(s)", "v(d)", "i(vs)", "i(vd)", "i(vdd)"])
    s, d, into, out, supply = run.raw.columns(("v(s)", "v(d)", "i(vs)", "i(vd)", "i(vdd)")).T
    full = abs(strength) * signals.unit_current
    return CurrentMap(strength, s - signals.common_mode, d - signals.common_mode, -into / full, out / full, -supply)


def common_view(bench: Bench, condition: Condition, strength: int) -> dict[str, Any]:
    """What the templates of all measurements of a cell read."""
    signals, cell = bench.signals, bench.cell
    name = cell.subcircuits[-1 if strength < 0 else 0]
    return {"options": " ".join([*bench.found.library.options, f"gmin={GMIN}"]), "temperature": number(condition.temperature),
            "supply": number(signals.supply), "common": number(signals.common_mode),
            "reference": number(signals.unit_current * signals.bias_units), "units": signals.bias_units,
            "pins": ["0" if pin == "vss" else pin for pin in cell.pins[name]], "subcircuit": name, "strength": abs(strength)}
