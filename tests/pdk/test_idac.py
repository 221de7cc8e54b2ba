"""The current DAC: its law is what its transistors give, its bits are pins of the chip, and networks with it are confirmed."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import kcompile as kc
from kcompile.characterize.conditions import Condition
from kcompile.characterize.constants import fit_constants, law_of
from kcompile.characterize.currents import CurrentMap, measure_currents
from kcompile.characterize.loads import measure_load
from kcompile.diagnostics import KcompileError, render_text
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.lower.transistors import build_transistors
from kcompile.pdk.cell import Cell, load_cells
from kcompile.pdk.placement import place
from kcompile.verify.layout import compare_netlists
from kcompile.verify.transistors import Confirmation
from tests.pdk.test_cells import bench

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
use sky130.idac: Idac;
circuit Net {
    pdk sky130;
    node x, y[2];
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase run for 400 ns {
        TanhPair w(x, y[k]) { k = 2 - k } for k in 0..2;
        TanhPair leak(y[k], gnd) { k = 2 } for k in 0..2;
        Idac b(y[k]) { code = 5 - 8 * k } for k in 0..2;
        Idac spare(x);
    }
    input x;
    output y;
}
"""
SLICES = NET.replace("phase run", "phase first for 300 ns { TanhPair a(x, y[0]) { k = 1 }; }\n    phase run")


def net(text: str = NET) -> kc.Circuit:
    return kc.compile(kc.Source("net.kc", text), inputs=[0.1])


def message(function, *arguments, **named) -> str:
    with pytest.raises(KcompileError) as caught:
        function(*arguments, **named)
    return render_text(caught.value.diagnostics)


def lowered(text: str) -> str:
    return message(lambda: kc.lower(net(text)))


def units_of(cell: Cell, code: int, volts: np.ndarray, condition: Condition) -> np.ndarray:
    """What the law says flows into the cell, in units of 100 nA."""
    law = law_of(cell.law_with(cell.fit.at(condition.corner, condition.temperature)), ())
    return law(cell.units(code), volts, np.zeros_like(volts)) / 100e-9


@pytest.fixture(scope="module")
def typical() -> list[CurrentMap]:
    there = bench("idac")
    assert there.cell.currents is not None
    return [measure_currents(there, Condition("tt", 27.0), units) for units in there.cell.currents.units]


def test_the_fit_is_what_the_transistors_give(typical: list[CurrentMap]) -> None:
    there = bench("idac")
    assert there.cell.currents is not None
    found = fit_constants(there.cell, typical, there.full_scale, there.cell.currents.constants)
    for name, value in there.cell.fit.at("tt", 27.0).items():
        # A slope of 3e-4 of the current per volt is known to its second digit.
        assert found.constants[name] == pytest.approx(value, rel=2e-2 if name.endswith("SLOPE") else 1e-4)
        assert dict(there.cell.law.constants)[name] == value
    assert found.errors.worst <= 1e-3
    assert len(there.cell.fit.errors) == 15 and max(one["worst"] for one in there.cell.fit.errors.values()) <= 1e-3


def test_every_code_is_more_than_the_one_below(typical: list[CurrentMap]) -> None:
    by_code = {one.units[0]: one.into * abs(one.units[0]) for one in typical}
    codes = sorted(by_code)
    for low, high in itertools.pairwise(codes):
        # A positive code takes its current out of the cell.
        np.testing.assert_allclose(by_code[low] - by_code[high], high - low, atol=0.015)
    cell, volts = bench("idac").cell, np.linspace(-0.3, 0.3, 7)
    for corner, temperature in cell.fit.constants:
        said = np.array([units_of(cell, code, volts, Condition(corner, temperature)) for code in range(-15, 16)])
        np.testing.assert_allclose(np.diff(said, axis=0), -1.0, atol=2e-3)


@pytest.mark.parametrize("condition", [Condition("ff", 85.0), Condition("ss", -40.0)], ids=str)
def test_other_conditions_have_their_own_constants(condition: Condition) -> None:
    there = bench("idac")
    for code in (15, 1, -15, -1):
        found = measure_currents(there, condition, (code, 0))
        apart = units_of(there.cell, code, found.s, condition) - found.into * abs(code)
        assert np.abs(apart).max() <= 1e-3 * abs(code)


def test_the_load_does_not_depend_on_bits_in_the_netlist() -> None:
    there = bench("idac")
    off = measure_load(there, Condition("tt", 27.0), 0).middle
    assert 0.5e-15 < off < there.cell.fit.loads[0] < 6e-15
    loads = [place(net(NET.replace("5 - 8 * k", code))).load for code in ("0", "15", "-15 * k")]
    np.testing.assert_array_equal(loads[0], loads[1])
    np.testing.assert_array_equal(loads[0], loads[2])


def test_a_current_charges_a_capacitor() -> None:
    """What the law says, by hand: a capacitor and a slope are an exponential."""
    text = """use std.passive: Capacitor; use sky130.idac: Idac;
circuit One { pdk sky130; node x; Capacitor(x, gnd) { c = 10 pF }; Idac b(x) { code = -6 }; output x; }"""
    times = np.linspace(0.0, 4e-6, 9)
    found = kc.simulate(kc.compile(kc.Source("one.kc", text)), until=4e-6, points=9, rtol=1e-10).values[:, 0]
    fit = load_cells("sky130")["idac"].fit.at("tt", 27.0)
    amperes, slope = 6 * fit["DOWN"], fit["DOWN_SLOPE"]
    np.testing.assert_allclose(found, (np.exp(-amperes * slope / 10e-12 * times) - 1) / slope, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("corner", "temperature"), [("tt", 27.0), ("ff", 85.0)])
def test_a_network_on_transistors_does_what_its_laws_say(corner: str, temperature: float) -> None:
    report = kc.verify(net(), corner=corner, temperature=temperature)
    assert isinstance(report, Confirmation)
    assert report.passed and report.error.max() <= 1e-2
    # The codes decide: without them both outputs would follow the input.
    assert report.transistors[0, -1, 1] > 0.06 > -0.02 > report.transistors[0, -1, 2]


def test_a_network_of_slices_has_it_behind_a_gate() -> None:
    report = kc.verify(net(SLICES))
    assert isinstance(report, Confirmation)
    assert report.passed and np.quantile(report.error, 0.95) <= 4e-2
    parts = {part.name: part for part in Chip(net(SLICES), BenchOptions()).parts}
    assert parts["xrun_b_0"].subcircuit == "idac_gated" and parts["xrun_b_0"].nets[-4:-2] == ("gate_run_on", "gate_run_off")


def test_bits_are_pins_that_say_what_they_are_for() -> None:
    files = {one.name: one.text for target in ("layout", "spice") for one in kc.lower(net(), target)}
    pins = {one["pin"]: one["use"] for one in json.loads(files["Net_pins.json"])}
    assert pins["run_b_0_b2"] == "bit of weight 4 of run.b[0]" and pins["run_spare_sign"] == "sign of run.spare"
    levels = json.loads(files["Net.map.json"])["bits"]
    assert len(levels) == 15
    words = {name: [levels[f"{name}_{bit}"] for bit in ("b0", "b1", "b2", "b3", "sign")] for name in (
        "run_b_0", "run_b_1", "run_spare")}
    # 5, -3, and a spare one whose bits are all off.
    assert words == {"run_b_0": [1, 0, 1, 0, 0], "run_b_1": [1, 1, 0, 0, 1], "run_spare": [0, 0, 0, 0, 0]}
    assert "vrun_b_1_sign run_b_1_sign 0 1.8" in files["Net_tb.cir"] and "vrun_spare_b0 run_spare_b0 0 0" in files["Net_tb.cir"]
    assert "name=run_b_0_b2 dir=in" in files["Net.sym"]


def test_other_bits_are_another_current() -> None:
    """A chip is one netlist: what a program says of its codes stands in the test bench alone."""
    one, other = (build_transistors(net(text), BenchOptions(until=1e-7)).artifacts
                  for text in (NET, NET.replace("5 - 8 * k", "-9 + k")))
    assert one[0].text == other[0].text and one[1].text != other[1].text


@pytest.mark.parametrize(("code", "said"), [
    ("2.5", "`run.b[0]` has 2.5 units, which is no whole number"), ("16", "`code` = 16 lies outside its limits [-15.0, 15.0]"),
    ("-16", "`code` = -16 lies outside its limits [-15.0, 15.0]")])
def test_a_code_that_bits_cannot_say_is_refused(code: str, said: str) -> None:
    found = lowered(NET.replace("5 - 8 * k", code))
    assert said in found and "net.kc:11:" in found


def test_laws_of_a_constant_current_become_codes() -> None:
    text = NET.replace("use sky130.idac: Idac;", "use std.compute: Bias;").replace("Idac spare(x);", "")
    text = text.replace("Idac b(y[k]) { code = 5 - 8 * k }", "Bias b(y[k]) { i = 500 nA - 800 nA * k }")
    mapped = kc.compile(kc.Source("net.kc", text), inputs=[0.1], passes="map-cells")
    (bank,) = [bank for bank in place(mapped).banks if bank.table.bank == "run.b"]
    assert (bank.cell.name, bank.strengths.tolist()) == ("idac", [5, -3])
    large = kc.Source("net.kc", text.replace("500 nA", "3 uA"))
    assert "finds no cell for `run.b[0]`: idac comes closest" in message(kc.compile, large, passes="map-cells")
    text = text.replace("use std.compute: Bias;", "use std.compute: Transconductor;").replace(
        "Bias b(y[k]) { i = 500 nA - 800 nA * k }", "Transconductor b(x, y[k]) { gm = 1 uS }")
    assert "one terminal and a current to ground" in message(kc.compile, kc.Source("net.kc", text), passes="map-cells")


@pytest.mark.parametrize("text", [NET, SLICES], ids=["one phase", "slices"])
def test_layouts_match_and_swapped_bits_do_not(text: str) -> None:
    pytest.importorskip("klayout", reason="klayout is not installed")
    circuit = net(text)
    assert kc.verify(circuit, against="klayout").passed
    layout = next(one.text for one in kc.lower(circuit, "layout") if one.name == "Net_lvs.spice")
    line = next(line for line in layout.splitlines() if line.startswith("xrun_b_0 "))
    wrong = layout.replace(line, line.replace("_b2", "_b9").replace("_b3", "_b2").replace("_b9", "_b3"))
    models = frozenset(one.model for cell in Chip(circuit, BenchOptions(until=1e-6)).cells for one in cell.transistors)
    simulated = build_transistors(circuit, BenchOptions(until=1e-6)).artifacts[0].text
    assert wrong != layout and not compare_netlists("Net", simulated, wrong, models).passed
