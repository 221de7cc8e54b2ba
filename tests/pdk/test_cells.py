"""Cells on the models of their foundry: cut models have the same digits, laws are what transistors do, networks too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.characterize.conditions import Bench, Condition
from kcompile.characterize.constants import fit_constants, law_of
from kcompile.characterize.currents import measure_currents
from kcompile.characterize.loads import measure_load
from kcompile.characterize.run import characterize
from kcompile.cli import cli
from kcompile.diagnostics import KcompileError, render_text
from kcompile.pdk.cell import load_cells
from kcompile.pdk.find import find_library
from kcompile.pdk.load import load_pdk
from kcompile.pdk.placement import has_cells, place
from kcompile.pdk.trim import trim
from kcompile.verify.deck import Deck
from kcompile.verify.run_ngspice import run_ngspice
from kcompile.verify.show import show_report

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node x[2], y[2], r[2];
    drive r[k] = dc(0.25 V * (2 * k - 1)) for k in 0..2;
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase run for 500 ns {
        TanhPair w(a, b) { k = 2 } for a in x, b in y;
        TanhPair v(y[0], y[1]) { k = -1 };
        TanhPair u(y[k], r[k]) { k = 1 } for k in 0..2;
        TanhPair leak(x[k], gnd) { k = 1 } for k in 0..2;
    }
    input x;
    output y;
}
"""


def net(text: str = NET) -> kc.Circuit:
    return kc.compile(kc.Source("net.kc", text), inputs=[0.1, -0.05])


def abstract() -> str:
    """The same program with laws of the library, whose units are those of the cell."""
    text = NET.replace("use sky130.tanh_pair: TanhPair;", "use std.kirchhoff: ShiftTanh;").replace("pdk sky130;", "")
    for strength in ("2", "-1", "1"):
        text = text.replace(f"{{ k = {strength} }}", f"{{ i0 = {strength} * 100 nA, v0 = {1 / 13} V }}")
    return text.replace("TanhPair", "ShiftTanh")


def message(function, *arguments, **named) -> str:
    with pytest.raises(KcompileError) as caught:
        function(*arguments, **named)
    return render_text(caught.value.diagnostics)


# ---- cells ------------------------------------------------------------------------------------------------------------


def bench(name: str) -> Bench:
    cells, signals = load_cells("sky130"), load_pdk("sky130").signals
    assert signals is not None
    return Bench(find_library("sky130"), signals, cells[name], cells["bias"])


def test_the_fit_of_the_pair_is_what_its_transistors_give() -> None:
    there = bench("tanh_pair")
    assert there.cell.currents is not None
    maps = [measure_currents(there, Condition("tt", 27.0), units) for units in there.cell.currents.units]
    known = there.cell.fit
    found = fit_constants(there.cell, maps, there.full_scale, there.cell.currents.constants)
    for name, value in known.at("tt", 27.0).items():
        assert found.constants[name] == pytest.approx(value, rel=2e-3, abs=1e-12)
        assert dict(there.cell.law.constants)[name] == value
    assert found.errors.worst <= 5e-3 and found.errors.median <= 1e-3 and found.errors.imbalance <= 1e-2
    load = measure_load(there, Condition("tt", 27.0), -1)
    assert load.middle == pytest.approx(known.loads[1], rel=1e-3)
    assert len(known.errors) == 15
    assert max(one["worst"] for one in known.errors.values()) <= 5e-3
    assert max(one["imbalance"] for one in known.errors.values()) <= 1e-2


@pytest.mark.parametrize(("name", "units", "worst"), [("relu", (4, 0), 1e-2), ("relu", (-4, 1), 1e-2), ("pass1", (2, 0), 2e-2)])
def test_laws_of_other_cells_are_what_their_transistors_give(name: str, units: tuple[int, int], worst: float) -> None:
    there = bench(name)
    found = measure_currents(there, Condition("tt", 27.0), units)
    law = law_of(there.cell.law, ())
    wanted = law(there.cell.units(*units), found.s, found.d) / (abs(units[0]) * there.full_scale)
    assert np.abs(wanted - found.into).max() <= worst and np.abs(wanted - found.out).max() <= worst
    assert found.imbalance.max() <= 1e-2 and np.abs(found.into).max() > 0.5
    if name == "relu":
        against = found.s - found.d < -0.05
        assert np.abs(found.into[against]).max() <= 1e-5 and np.abs(found.out[against]).max() <= 1e-5


def test_capacitors_have_the_farads_that_were_asked_for() -> None:
    mim = load_cells("sky130")["mim"]
    assert mim.capacitor is not None
    farads = np.array([20e-15, 0.97e-12, 7.3e-12])
    width, length, units = mim.capacitor.sized(farads)
    assert np.all(width * 200 == np.round(width * 200)) and units.tolist() == [1, 1, 5]
    models = trim(find_library("sky130"), "tt", mim.transistors)
    for k, wanted in enumerate(farads):
        main = ("* a capacitor\n.include models.lib\n.include mim.spice\nv1 a 0 dc 0 ac 1\n"
                f"x1 a 0 mim params: w={width[k]} l={length[k]} m={units[k]}\n.ac lin 1 1e6 1e6\n.save i(v1)\n.end\n")
        run = run_ngspice(Deck("main.cir", {"main.cir": main, "models.lib": models.text, "mim.spice": mim.netlist}), until=1e6,
                          expected=["i(v1)"])
        assert -run.raw.columns(("i(v1)",))[0, 0].imag / (2e6 * np.pi) == pytest.approx(wanted, rel=2e-3)


# ---- networks ---------------------------------------------------------------------------------------------------------


def test_a_network_on_transistors_does_what_its_laws_say() -> None:
    report = kc.verify(net())
    assert report.passed and report.names == ("x[0]", "x[1]", "y[0]", "y[1]")
    assert np.median(report.error) <= 3e-3 and np.quantile(report.error, 0.95) <= 2e-2
    assert report.step_error / report.swing < 1e-3
    units = 2 * 4 + 1 + 2 + 2
    # Each unit takes two unit currents from its sources; the bias lines take 16 units three times, and a few single ones.
    assert report.power[0] == pytest.approx(1.8 * 100e-9 * (2 * units + 2 * 16 + 4), rel=0.05)
    # The laws alone, as behavioural sources: another netlist of the same circuit.
    assert kc.verify(net(), against="ngspice").passed


def test_a_network_without_units_is_said_to_compare_nothing() -> None:
    """A newcomer who forgot --weights read `passed: 1.11e-16 <= 0.05`."""
    idle = kc.compile(kc.Source("net.kc", re.sub(r" \{ k = [-0-9]+ \}", "", NET)))
    assert "no node moves, so that nothing was compared: --weights" in show_report(kc.verify(idle))
    assert "no node moves" not in show_report(kc.verify(net()))


def test_the_bench_of_a_large_network_asks_for_klu() -> None:
    """The own solver of ngspice took three minutes for the operating point of 14,000 transistors, and never ended."""
    wide = NET.replace("x[2], y[2]", "x[30], y[10]")
    benches = [next(one.text for one in kc.lower(kc.compile(kc.Source("net.kc", text)), "spice") if one.name == "Net_tb.cir")
               for text in (NET, wide)]
    assert [" klu " in text for text in benches] == [False, True]


def test_a_wrong_law_does_not_pass() -> None:
    circuit = net()
    other = circuit.with_params({"run.v.k": np.array([1.0])})
    found = kc.verify(circuit, tolerance=0.02)
    assert found.passed
    wrong = np.abs(kc.simulate(other, points=201).values[:, :4] - found.transistors[0]).max() / found.swing
    assert wrong > 0.05


def test_the_command_line_writes_transistors_and_checks_them(tmp_path: Path) -> None:
    (tmp_path / "net.kc").write_text(NET)
    done = CliRunner().invoke(cli, [str(tmp_path / "net.kc"), "--input", "0.1,-0.05", "-o", str(tmp_path / "out"), "--check"])
    assert done.exit_code == 0, done.output
    spice = (tmp_path / "out" / "Net.spice").read_text()
    assert "tanh_pair_crossed params: k=1" in spice and "xcap_y_0 y_0 vss mim params: w=" in spice
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "Net.manifest.json", "Net.map.json", "Net.spice", "Net.sym", "Net_models.lib", "Net_tb.cir"]
    capacitors = json.loads((tmp_path / "out" / "Net.map.json").read_text())["capacitors"]
    assert capacitors["x[0]"]["program"] == 1e-12 and 2e-14 < capacitors["x[0]"]["cells"] < 3e-14
    assert "passed" in done.output and "from the supply" in done.output


def test_the_manifest_keeps_the_process_and_its_condition(tmp_path: Path) -> None:
    (tmp_path / "net.kc").write_text(abstract())
    words = ["--pdk", "sky130", "--corner", "ss", "--temperature", "85"]
    done = CliRunner().invoke(cli, [str(tmp_path / "net.kc"), *words, "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    options = json.loads((tmp_path / "out" / "Net.manifest.json").read_text())["options"]
    assert (options["pdk"], options["corner"], options["temperature"]) == ("sky130", "ss", 85.0)
    assert ".temp 85" in (tmp_path / "out" / "Net_tb.cir").read_text()


def test_abstract_laws_become_cells(tmp_path: Path) -> None:
    text = abstract()
    circuit = net(text)
    assert not has_cells(circuit)
    mapped = kc.compile(kc.Source("net.kc", text), inputs=[0.1, -0.05], passes="map-cells{pdk=sky130}")
    assert [bank.strengths.tolist() for bank in place(mapped).banks] == [[2] * 4, [-1], [1, 1], [1, 1]]
    assert kc.verify(mapped).passed
    said = message(kc.compile, kc.Source("net.kc", text.replace("v0 =", "th = 50 mV, v0 =")), passes="map-cells{pdk=sky130}")
    assert "finds no cell for `run.w" in said and "tanh_pair comes closest" in said


@pytest.mark.parametrize(("old", "new", "said"), [
    ("{ k = 2 }", "{ k = 2.5 }", "has 2.5 units, which is no whole number"),
    ("c = 1 pF", "c = 25 fF", "its cells alone make"),
    ("Capacitor(n, gnd) { c = 1 pF } for n in x + y;", "Capacitor(n, gnd) { c = 1 pF } for n in x + y;\n"
     "    Capacitor(x[0], x[1]) { c = 1 pF };", "which no cell of sky130 has"),
])
def test_what_is_no_circuit_of_cells_is_refused(old: str, new: str, said: str) -> None:
    assert said in message(kc.lower, net(NET.replace(old, new)))


PLAIN = kc.Source("plain.kc", "use std.passive: Capacitor; circuit P { node x; Capacitor(x, gnd); input x; output x; }")


@pytest.mark.parametrize("against", ["transistors", "klayout"])
def test_a_circuit_without_a_process_has_no_transistors(against: str) -> None:
    assert "`P` has no cells of a process, and so no transistors" in message(kc.verify, PLAIN, against=against, until=1e-6)


def test_corners_are_those_of_transistors() -> None:
    for call in ((kc.lower, PLAIN, "spice"), (kc.lower, PLAIN, "json"), (kc.verify, PLAIN)):
        assert "has no corner and no temperature" in message(*call, until=1e-6, corner="ss")
    assert "has no corner and no temperature" in message(kc.verify, net(), against="ngspice", temperature=85.0)


def test_a_cell_that_is_none_is_refused() -> None:
    assert "did you mean `tanh_pair`?" in message(characterize, "sky130", ("tanh_pear",))
    assert "the process `gf180mcu` has no cells" in message(characterize, "gf180mcu")


def test_strengths_that_are_shared_become_whole_each(tmp_path: Path) -> None:
    text = NET.replace("node x[2]", "param s: real = 1.4 in [0, 16] trainable;\n    node x[2]").replace("{ k = 2 }", "{ k = s }")
    mapped = kc.compile(kc.Source("net.kc", text), passes="map-cells{tolerance=0.5}")
    assert [bank.strengths.tolist() for bank in place(mapped).banks] == [[1] * 4, [-1], [1, 1], [1, 1]]


def test_a_corner_that_was_not_measured_is_refused() -> None:
    assert "cells are not measured in the corner tt at 60 C" in message(kc.verify, net(), temperature=60.0)
    assert "has no corner `xx`" in message(kc.lower, net(), corner="xx")
