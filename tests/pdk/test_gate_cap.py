"""Capacitors of gates: their farads are those of the law over the range, a node has the kind that the program says."""

from __future__ import annotations

import json

import numpy as np
import pytest

import kcompile as kc
from kcompile.characterize.capacitance import Farads, fit_capacitor, measure_farads
from kcompile.characterize.conditions import Condition
from kcompile.diagnostics import KcompileError, render_text
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.pdk.cell import Plates, load_cells
from kcompile.pdk.placement import place
from kcompile.verify.transistors import Confirmation
from tests.pdk.test_cells import bench

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
use sky130.gate_cap: GateCapacitor;
circuit Net {
    pdk sky130;
    node x[2], y[2];
    GateCapacitor(n, gnd) { c = 2 pF } for n in x;
    GateCapacitor(y[0], gnd) { c = 1 pF };
    Capacitor(y[1], gnd) { c = 1 pF };
    phase run for 400 ns {
        TanhPair w(a, b) { k = 6 } for a in x, b in y;
        TanhPair v(y[0], y[1]) { k = -4 };
        TanhPair leak(x[k], gnd) { k = 3 } for k in 0..2;
    }
    input x;
    output y;
}
"""


def net(text: str = NET) -> kc.Circuit:
    return kc.compile(kc.Source("net.kc", text), inputs=[0.28, -0.25])


def message(text: str) -> str:
    with pytest.raises(KcompileError) as caught:
        kc.lower(net(text))
    return render_text(caught.value.diagnostics)


def measured(condition: Condition, sizes: np.ndarray) -> Farads:
    plates = Plates(0.05, tuple(map(tuple, sizes.tolist())), (3.36, 10.0), (0.04, 0.005))
    return measure_farads(bench("gate_cap"), condition, plates)


def test_the_fit_is_what_the_transistors_give() -> None:
    there, typical = bench("gate_cap"), Condition("tt", 27.0)
    plates, found = fit_capacitor(there, [typical])
    known = there.cell.fit
    assert known.plates is not None
    assert vars(plates) == pytest.approx(vars(known.plates), rel=1e-3)
    assert found[typical].constants == {"SHARE": 1.0}
    assert found[typical].errors.worst == pytest.approx(known.errors["tt", 27.0]["worst"], rel=1e-2)
    assert len(known.errors) == 15 and max(one["worst"] for one in known.errors.values()) <= 2.5e-2
    mim = load_cells("sky130")["mim"].capacitor
    assert mim is not None and plates.density > 3.5 * mim.area


@pytest.mark.parametrize("condition", [Condition("tt", 27.0), Condition("ss", -40.0), Condition("fs", 85.0)], ids=str)
def test_capacitors_have_the_farads_that_were_asked_for(condition: Condition) -> None:
    cell = load_cells("sky130")["gate_cap"]
    assert cell.capacitor is not None
    wanted = np.array([0.1e-12, 0.37e-12, 7.3e-12])
    width, length, units = cell.capacitor.sized(wanted)
    assert np.all(np.abs(width / 0.04 - np.round(width / 0.04)) < 1e-6) and units.tolist() == [1, 1, 10]
    found = measured(condition, np.stack([width, length], axis=1))
    share = cell.fit.at(condition.corner, condition.temperature)["SHARE"]
    np.testing.assert_allclose(found.mean * units / wanted, share, rtol=4e-3)
    law = wanted[:, None] * share / units[:, None]
    assert np.abs(found.farads / law - 1).max() <= (0.012 if condition.corner == "tt" else 0.025)


def test_the_mean_is_what_the_charge_changes_by() -> None:
    volts = np.linspace(-0.3, 0.3, 25)
    np.testing.assert_allclose(Farads(volts, np.stack([2 + volts, 3 + 0 * volts])).mean, [2.0, 3.0], rtol=1e-12)


@pytest.mark.parametrize(("corner", "temperature"), [("tt", 27.0), ("ss", -40.0)])
def test_a_network_on_transistors_does_what_its_laws_say(corner: str, temperature: float) -> None:
    report = kc.verify(net(), corner=corner, temperature=temperature)
    assert isinstance(report, Confirmation)
    assert report.passed and report.error.max() <= 1e-2 and report.swing > 0.4


def test_a_node_has_the_kind_of_capacitor_that_the_program_says() -> None:
    parts = {part.name: part for part in Chip(net(), BenchOptions(until=1e-6)).parts}
    kinds = {name: (part.subcircuit, part.nets) for name, part in parts.items() if name.startswith("xcap")}
    assert kinds == {"xcap_x_0": ("gate_cap", ("x_0", "vdd", "vss")), "xcap_x_1": ("gate_cap", ("x_1", "vdd", "vss")),
                     "xcap_y_0": ("gate_cap", ("y_0", "vdd", "vss")), "xcap_y_1": ("mim", ("y_1", "vss"))}
    found = place(net())
    for cell, nodes in found.capacitors:
        assert cell.capacitor is not None
        for node in nodes.tolist():
            sizes = parts[f"xcap_{Chip(net(), BenchOptions(until=1e-6)).nodes[node]}"].values
            made = cell.capacitor.value(np.array(sizes["w"]), np.array(sizes["l"])) * sizes["m"]
            assert made == pytest.approx(found.target[node] - found.load[node], rel=2e-3)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("Capacitor(y[1], gnd)", "Capacitor(x[1], gnd);\n    Capacitor(y[1], gnd)",
     "`Capacitor[0]` is a mim, and node `x[1]` has a gate_cap already"),
    ("GateCapacitor(y[0], gnd) { c = 1 pF }", "GateCapacitor(y[0], gnd) { c = 150 fF }", "the smallest capacitor is 90.4 fF"),
    ("GateCapacitor(y[0], gnd)", "Capacitor(y[0], gnd);\n    GateCapacitor(y[0], x[0])", "which no cell of sky130 has"),
])
def test_a_capacitor_that_gates_cannot_make_is_refused(old: str, new: str, said: str) -> None:
    found = message(NET.replace(old, new, 1))
    assert said in found and "net.kc:" in found


def test_layouts_have_both_kinds() -> None:
    pytest.importorskip("klayout", reason="klayout is not installed")
    assert kc.verify(net(), against="klayout").passed
    files = {one.name: one.text for one in kc.lower(net(), "layout")}
    # ALIGN draws transistors as such, and the plates of metals as a capacitor.
    align = files["net.sp"]
    assert "mn vss p vss vss sky130_fd_pr__nfet_01v8_lvt w=" in align and "mp vdd p vdd vdd sky130_fd_pr__pfet_01v8 w=" in align
    assert "cxcap" not in align and "ccap_y_1 y_1 vss " in align
    assert {one["instance"] for one in json.loads(files["Net_placement.json"])["places"]} >= {"xcap_x_0", "xcap_y_1"}
