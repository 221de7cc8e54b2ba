"""Circuits of several time slices on transistors: gates, clocks, loading and read-out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import kcompile as kc
from kcompile.diagnostics import KcompileError, render_text
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.lower.clocks import EDGE, GAP, Clocks, corners
from kcompile.pdk.placement import place
from kcompile.plot import plot_clocks
from kcompile.verify.show import show_report
from kcompile.verify.transistors import Confirmation

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
use sky130.relu: Relu;
circuit Two {
    pdk sky130;
    node x[2], h[2], y[2], r[2];
    drive r[k] = dc(0.25 V * (2 * k - 1)) for k in 0..2;
    Capacitor(n, gnd) { c = 1 pF } for n in x + h + y;
    phase mix for 300 ns {
        TanhPair w(a, b) { k = 2 } for a in x, b in h;
        TanhPair v(h[0], h[1]) { k = -1 };
        TanhPair leak(x[k], gnd) { k = 1 } for k in 0..2;
    }
    phase decide for 300 ns {
        TanhPair u(h[k], y[k]) { k = 3 } for k in 0..2;
        Relu c(y[0], y[1]) { k = 2, o = 1 };
        TanhPair b(y[k], r[k]) { k = 1 } for k in 0..2;
    }
    input x;
    output y;
}
"""


def net(text: str = NET) -> kc.Circuit:
    return kc.compile(kc.Source("two.kc", text), inputs=[0.1, -0.15])


def message(text: str) -> str:
    with pytest.raises(KcompileError) as caught:
        kc.lower(net(text))
    return render_text(caught.value.diagnostics)


@pytest.fixture(scope="module")
def confirmed() -> Confirmation:
    found = kc.verify(net())
    assert isinstance(found, Confirmation)
    return found


def test_slices_on_transistors_do_what_their_laws_say(confirmed: Confirmation) -> None:
    assert confirmed.passed
    assert np.median(confirmed.error) <= 1e-2 and np.quantile(confirmed.error, 0.95) <= 4e-2
    # Nothing but the pins of the chip says where nodes begin, and shows where they end.
    assert confirmed.error[0, 0].max() <= 5e-3
    assert confirmed.read_error is not None and 0 < confirmed.read_error <= 8e-3
    said = show_report(confirmed)
    assert "gate_mix_on 305 ns to 605 ns, gate_decide_on 610 ns to 910 ns, read at 2.91 us" in said
    content = confirmed.record()
    assert content["latency"] == pytest.approx(2.91e-6) and content["clocks"]["gate_decide_on"] == pytest.approx([610e-9, 910e-9])
    assert content["energy"] == pytest.approx(content["power"] * 2.91e-6)


def test_cells_of_a_slice_do_nothing_in_another(confirmed: Confirmation) -> None:
    report = confirmed
    waves = report.transistors[0][:, [report.names.index(name) for name in ("x[0]", "y[0]")]]
    half = len(waves) // 2
    first, second = (np.ptp(part, axis=0) for part in (waves[: half + 1], waves[half + 8 :]))
    # Inputs move in the first slice and keep their voltage in the second; outputs the other way round.
    assert first[0] > 0.05 > 0.002 > second[0]
    assert second[1] > 0.015 > 0.002 > first[1]


def test_cells_that_are_always_connected_rest_while_nodes_are_loaded_and_read() -> None:
    text = NET.replace("    phase mix", "    TanhPair always(x[0], y[0]) { k = 2 };\n    phase mix")
    found = kc.verify(net(text))
    assert isinstance(found, Confirmation)
    assert found.passed and found.error[0, 0].max() <= 5e-3
    assert found.read_error is not None and found.read_error <= 8e-3
    assert found.clocks["gate_all_on"] == pytest.approx([305e-9, 910e-9])


def test_a_slice_may_be_called_load() -> None:
    chip = Chip(net(NET.replace("phase mix", "phase load")), BenchOptions())
    assert [line for line, _ in chip.windows] == ["load_on", "gate_load_on", "gate_decide_on"]
    assert len({net for one in chip.windows for net in one}) == 6


def test_cells_of_slices_have_gates() -> None:
    text = NET.replace("    phase mix", "    TanhPair always(x[0], y[0]) { k = 1 };\n    phase mix")
    parts = {part.name: part for part in Chip(net(text), BenchOptions()).parts}
    gated = parts["xmix_w_0"]
    assert gated.subcircuit == "tanh_pair_gated" and gated.nets[-4:] == ("gate_mix_on", "gate_mix_off", "vdd", "vss")
    assert parts["xmix_v"].subcircuit == "tanh_pair_crossed_gated" and parts["xdecide_c"].subcircuit == "relu_above_gated"
    assert parts["xalways"].subcircuit == "tanh_pair_gated" and parts["xalways"].nets[-4:-2] == ("gate_all_on", "gate_all_off")
    assert parts["xload_x_0"].nets == ("start_x_0", "x_0", "load_on", "load_off", "vdd", "vss")
    assert parts["xload_h_0"].nets[:2] == ("cm", "h_0")
    assert parts["xread_y_1"].nets[:2] == ("y_1", "read_y_1")


def test_pins_of_a_clocked_chip_say_what_they_are_for() -> None:
    pins = {one["pin"]: one["use"] for one in json.loads(text_of("layout", "Two_pins.json"))}
    assert pins["start_x_0"] == "start" and pins["read_y_1"] == "output" and pins["gate_mix_off"] == "clock"
    assert pins["r_0"] == "driven" and "x_0" not in pins
    assert "name=load_on dir=in" in text_of("spice", "Two.sym") and "name=read_y_0 dir=out" in text_of("spice", "Two.sym")
    clocks = json.loads(text_of("spice", "Two.map.json"))["clocks"]
    assert clocks["on"]["gate_decide_on"] == pytest.approx([610e-9, 910e-9]) and clocks["read"] == pytest.approx(2.91e-6)


def text_of(target: str, name: str) -> str:
    return next(one.text for one in kc.lower(net(), target) if one.name == name)


def test_the_picture_of_clocks_has_a_row_for_each(confirmed: Confirmation) -> None:
    drawn = plot_clocks(confirmed)
    places = [drawn.index(f">{name}<") for name in ("load_on", "gate_mix_on", "gate_decide_on")]
    assert places == sorted(places) and drawn.count("time [") == 1


def test_layouts_of_clocked_chips_match() -> None:
    assert kc.verify(net(), against="klayout").passed


def test_clocks_of_slices_do_not_overlap() -> None:
    clocks = Clocks(1e-7, (3e-7, 2e-7))
    (first, second), (third, end) = clocks.window(0), clocks.window(1)
    assert first - clocks.load > EDGE and third - second > EDGE and clocks.window(None) == (first, end)
    assert end < clocks.end
    np.testing.assert_allclose([second - first, end - third], clocks.slices)
    # Times of the program: the end of a slice belongs to it, what follows to the next one.
    at = clocks.chip_times(np.array([0.0, 3e-7, 3.001e-7, 5e-7]))
    np.testing.assert_allclose(at, [first, second, third + 1e-10, end], rtol=1e-9)
    assert third - second == pytest.approx(GAP)
    on, off = (np.array(corners((first, second), *levels)).reshape(-1, 2) for levels in ((0.0, 1.8), (1.8, 0.0)))
    np.testing.assert_allclose(on[:, 1] + off[:, 1], 1.8)
    assert on[:, 1].tolist() == [0.0, 0.0, 1.8, 1.8, 0.0]


def test_what_cannot_be_clocked_is_refused() -> None:
    assert "`r[0]` is driven by a sin" in message(NET.replace("dc(0.25 V * (2 * k - 1))", "sin(0 V, 0.1 V, 1 MHz)"))
    passed = NET.replace("use sky130.relu: Relu;", "use sky130.pass1: Pass;").replace("Relu c(y[0], y[1]) { k = 2, o = 1 }",
                                                                                      "Pass c(y[0], y[1]) { k = 2 }")
    assert "time slices need clocks, and pass1 has no form with a gate" in message(passed)


def test_a_circuit_named_like_a_cell_is_another_subcircuit() -> None:
    files = kc.lower(net(NET.replace("circuit Two", "circuit Buffer")), "spice")
    text = next(one.text for one in files if one.name == "Buffer.spice")
    names = [line.split()[1] for line in text.splitlines() if line.startswith(".subckt")]
    assert "buffer_top" in names and len(names) == len(set(names))


def test_thresholds_choose_their_own_subcircuit() -> None:
    circuit = net()
    banks = {bank.table.bank: bank for bank in place(circuit).banks}
    assert banks["decide.c"].thresholds.tolist() == [1] and banks["decide.c"].forms.tolist() == [2]
    crossed = replace(banks["decide.c"], strengths=np.array([-2]))
    assert crossed.forms.tolist() == [3]
    with pytest.raises(KcompileError) as caught:
        place(circuit.with_params({"decide.c.o": np.array([0.5])}))
    assert "has 0.5 units" in render_text(caught.value.diagnostics)
