"""Amplifiers that drive rails: error, what they carry and how they settle, in ngspice on the models of the foundry."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.pdk.cell import load_cells
from kcompile.pdk.find import find_library
from kcompile.pdk.trim import trim
from kcompile.verify.deck import Deck
from kcompile.verify.rawfile import Raw
from kcompile.verify.run_ngspice import run_ngspice

UNITS = 8
"""Of the amplifier, which then carries 1.6 uA."""
FARADS = 2 * UNITS * 6e-15
"""Of as many cells as push that."""

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
use sky130.pass1: Pass;
circuit Railed {
    pdk sky130;
    node x[2], r[2], wave;
    drive r[k] = dc(0.25 V * (2 * k - 1)) for k in 0..2;
    drive wave = sin(0 V, 0.2 V, 2 MHz);
    Capacitor(n, gnd) { c = 1 pF } for n in x;
    TanhPair always(x[0], r[0]) { k = 3 };
    phase first for 300 ns {
        TanhPair a(x[k], r[k]) { k = -2 } for k in 0..2;
        TanhPair c(x[1], wave) { k = 2 };
    }
    phase second for 300 ns {
        TanhPair b(x[k], r[0]) { k = 4 } for k in 0..2;
        Pass d(x[0], r[1]) { k = 1 };
    }
    input x;
    output x;
}
"""


def ran(cards: str, until: float, expected: list[str], corner: str = "tt", temperature: float = 27.0) -> Raw:
    """A rail `i` to `o` with cards around it."""
    cells, found = load_cells("sky130"), find_library("sky130")
    models = trim(found, corner, cells["bias"].transistors | cells["rail"].transistors)
    main = f"""* rail
.include models.lib
.include bias.spice
.include rail.spice
.options {" ".join(found.library.options)} gmin=1e-15 reltol=1e-5 abstol=1e-14 vntol=1e-7
.temp {temperature}
vdd vdd 0 1.8
iref vdd vbn 1.6e-6
xbias vbn vcn vbp vcp vdd 0 bias params: n=16
xrail i o vbn vcn vdd 0 rail params: k={UNITS}
{cards}
.end
"""
    files = {"main.cir": main, "models.lib": models.text, **{f"{name}.spice": cells[name].netlist for name in ("bias", "rail")}}
    return run_ngspice(Deck("main.cir", files, models.modules), until=until, expected=expected).raw


def static_errors(amperes: float, corner: str, temperature: float) -> np.ndarray:
    """Volts by which the rail is off, from -0.25 to 0.25 V against the common mode, while cells push a current into it."""
    raw = ran(f"vi i 0 1\ni1 0 o {amperes:.6g}\n.dc vi 0.75 1.25 0.05\n.save v(i) v(o)", 1.25, ["v(i)", "v(o)"], corner,
              temperature)
    given, held = raw.columns(("v(i)", "v(o)")).T
    return held - given


@pytest.mark.parametrize(("corner", "temperature"), [
    ("tt", 27.0), ("ss", -40.0), ("ff", 85.0), ("fs", 85.0), ("sf", 27.0)])
def test_rails_hold_their_voltage_under_all_that_they_carry(corner: str, temperature: float) -> None:
    carried = UNITS * (load_cells("sky130")["rail"].carries or 0.0)
    errors = [static_errors(amperes, corner, temperature) for amperes in (-carried, 0.0, carried)]
    assert np.abs(errors).max() <= 1.2e-3
    # It gives in to what pushes it, little from one end to the other.
    assert np.all(errors[0] < errors[1]) and np.all(errors[1] < errors[2])
    assert (errors[2] - errors[0]).max() <= 1.5e-3


def test_the_corner_without_head_room_is_worst_at_the_highest_rail() -> None:
    errors = np.abs([static_errors(sign * UNITS * 200e-9, "sf", -40.0) for sign in (-1, 1)])
    assert errors[:, :9].max() <= 1.2e-3 < errors[:, -1].max() <= 5e-3


def test_a_rail_that_carries_more_than_it_can_is_lost() -> None:
    assert np.abs(static_errors(5 * UNITS * 100e-9, "tt", 27.0)).min() > 20e-3


@pytest.mark.parametrize(("corner", "temperature"), [("tt", 27.0), ("fs", 85.0), ("sf", -40.0)])
def test_rails_settle_after_a_step_of_what_they_carry(corner: str, temperature: float) -> None:
    full = UNITS * 200e-9
    steps = [(0.0, 0.0), (0.2e-6, 0.0), (0.201e-6, full), (1e-6, full), (1.001e-6, -full), (2e-6, -full)]
    waves = " ".join(f"{value:.6g}" for point in steps for value in point)
    raw = ran(f"vi i 0 1.25\ni1 0 o PWL({waves})\nc1 o 0 {FARADS:.6g}\n.tran 1e-9 2e-6 0 1e-9\n.save v(o)", 2e-6, ["v(o)"],
              corner, temperature)
    held = raw.columns(("v(o)",))[:, 0]
    for begin, end in ((0.2e-6, 1e-6), (1.001e-6, 2e-6)):
        part = (raw.time >= begin) & (raw.time < end)
        since, off = raw.time[part] - begin, held[part] - held[part][-1]
        assert np.abs(off).max() <= 0.2
        assert np.abs(off[since > 0.5e-6]).max() <= 1e-3
        # A ring would cross its end again and again.
        assert np.sum(np.diff(np.sign(off[np.abs(off) > 1e-3])) != 0) <= 4


def test_rails_are_as_large_as_what_cells_push_in_the_busiest_slice() -> None:
    chip = Chip(kc.compile(kc.Source("railed.kc", NET)), BenchOptions())
    rails = {part.name: part for part in chip.parts if part.subcircuit == "rail"}
    # r[0]: 3 units always, beside 2 in the first slice and 8 in the second; r[1]: 2, and the 15 of a transistor.
    assert {name: part.values["k"] for name, part in rails.items()} == {"xrail_r_0": 6.0, "xrail_r_1": 8.0}
    assert rails["xrail_r_0"].nets == ("set_r_0", "r_0", "vbn", "vcn", "vdd", "vss")
    assert chip.uses["set_r_1"] == "reference" and chip.uses["wave"] == "driven" and "r_0" not in chip.ports
