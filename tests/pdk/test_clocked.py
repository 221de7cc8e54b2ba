"""Circuits of several time slices on transistors: gates, clocks, loading and read-out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.cli import cli
from kcompile.diagnostics import KcompileError, render_text
from kcompile.ir.circuit import Wave
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.lower.chip_drive import drive_on_chip
from kcompile.lower.clocks import EDGE, GAP, Clocks, corners
from kcompile.lower.frame import Source
from kcompile.pdk.placement import place
from kcompile.plot import plot_clocks
from kcompile.report.inventory import take_inventory
from kcompile.sim.waveform import Sources
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


def message(text: str, **options) -> str:
    with pytest.raises(KcompileError) as caught:
        kc.lower(kc.compile(kc.Source("two.kc", text)), **options)
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
    assert pins["set_r_0"] == "reference" and "r_0" not in pins and "x_0" not in pins
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
    bare = NET.replace("    phase mix for 300 ns {", "").replace("    }\n    phase decide for 300 ns {", "")
    bare = bare.replace("    }\n    input", "    input")
    assert "`Two` has no phases, and clocks begin and end one" in message(bare, until=1e-6, clocked=True)
    assert "the target `ir` has no clocks" in message(NET, target="ir", clocked=True)
    plain = NET.partition("    phase")[0].replace("pdk sky130;", "") + "}"
    assert "a circuit without cells has no clocks" in message(plain, until=1e-6, clocked=True)


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


PASSES = """use std.passive: Capacitor;
use sky130.pass1: Pass;
circuit Passes {
    pdk sky130;
    node x[2], y[2];
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase one for 200 ns { Pass w(x[0], y[0]) { k = 2 }; }
    phase two for 200 ns { Pass w(x[1], y[1]) { k = 3 }; }
    input x;
    output y;
}
"""


def test_transistors_alone_work_in_slices_and_push_no_charge_out() -> None:
    found = kc.verify(kc.compile(kc.Source("passes.kc", PASSES), inputs=[0.2, -0.2]))
    assert isinstance(found, Confirmation) and found.passed
    assert found.error.max() <= 2e-2
    x0, x1 = (found.transistors[0][:, found.names.index(name)] for name in ("x[0]", "x[1]"))
    half = len(x0) // 2
    # Each moves in its slice only. Without the two that take up its charge, its gate alone is 5 % off.
    assert np.ptp(x0[:half]) > 0.05 > 2e-3 > np.ptp(x0[half + 8 :]) and np.ptp(x1[:half]) < 2e-3


DRIVEN = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Driven {
    pdk sky130;
    node x, y, r, wave;
    drive r = dc(0.2 V);
    drive wave = sin(0.05 V, 0.2 V, 3 MHz);
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase one for 200 ns { TanhPair w(y, r) { k = 2 }; TanhPair v(x, wave) { k = 4 }; }
    phase two for 300 ns { TanhPair u(y, wave) { k = 4 }; }
    input x;
    output y;
}
"""


def test_drives_that_move_say_in_a_slice_what_the_program_says() -> None:
    found = kc.verify(kc.compile(kc.Source("driven.kc", DRIVEN), inputs=[0.1]))
    assert isinstance(found, Confirmation) and found.passed and found.error.max() * found.swing <= 8e-3
    x, y = (found.transistors[0][:, found.names.index(name)] for name in ("x", "y"))
    # Both follow the sine, y after the first slice.
    assert np.ptp(x[:80]) > 0.03 and np.ptp(y[80:]) > 0.05


@pytest.mark.parametrize(("kind", "row"), [
    ("sin", [0.1, 0.2, 7e6, 50e-9, 1e6, 30.0]), ("exp", [-0.2, 0.2, 50e-9, 20e-9, 350e-9, 5e-9]),
    ("pulse", [-0.2, 0.2, 30e-9, 10e-9, 20e-9, 40e-9, 150e-9]), ("pwl", [0.0, 0.1, 200e-9, -0.2, 400e-9, 0.2])])
def test_waveforms_on_the_clock_of_a_chip(kind: str, row: list[float]) -> None:
    clocks = Clocks(1e-7, (3e-7, 2e-7))
    made = drive_on_chip(Source("drive_r", "r", kind, np.array(row)), clocks)
    at, volts = made.row.reshape(-1, 2).T
    assert made.kind == "pwl" and at[0] == 0.0 and np.all(np.diff(at) > 0)
    times = np.linspace(0.0, 5e-7, 3001)
    said = Sources(Wave(kind, np.array([row]))).values(times)[0]
    np.testing.assert_allclose(np.interp(clocks.chip_times(times), at, volts), said, atol=1.1e-4 * np.ptp(said))
    # It stands still while nodes are loaded, between the slices and while outputs are read.
    for begin, end, value in ((0.0, clocks.begins[0], said[0]), (clocks.window(0)[1], clocks.begins[1], said[1800]),
                              (clocks.window(1)[1], clocks.end, said[-1])):
        np.testing.assert_allclose(np.interp(np.linspace(begin, end, 9), at, volts), value, atol=1e-9)


def test_a_waveform_of_too_many_samples_is_refused() -> None:
    with pytest.raises(KcompileError) as caught:
        drive_on_chip(Source("drive_r", "r", "sin", np.array([0.0, 0.2, 1e12, 0.0, 0.0, 0.0])), Clocks(1e-7, (3e-7,)))
    assert "the sin at `r` takes 2,400,001 samples on the clock of a chip" in render_text(caught.value.diagnostics)


def test_a_circuit_of_one_slice_is_clocked_where_that_is_asked_for() -> None:
    text = DRIVEN.partition("    phase two")[0].replace("v(x, wave)", "v(x, y)") + "    input x;\n    output y;\n}\n"
    one = kc.compile(kc.Source("driven.kc", text), inputs=[0.1])
    plain, chip = Chip(one, BenchOptions()), Chip(one, BenchOptions(clocked=True))
    assert not plain.windows and [line for line, _ in chip.windows] == ["load_on", "gate_one_on"]
    added = {part.subcircuit for part in chip.parts} - {part.subcircuit for part in plain.parts}
    assert added == {"tanh_pair_gated", "switch", "buffer", "rail"}
    found = kc.verify(one, clocked=True)
    assert isinstance(found, Confirmation) and found.passed and found.error.max() * found.swing <= 8e-3
    assert found.latency == chip.clocks.end and found.read_error <= 8e-3
    assert kc.verify(one, against="klayout", clocked=True).passed
    inventory = take_inventory(one, clocked=True)
    assert inventory.cells["rail"][0] == 1 and inventory.capacitor_area > take_inventory(one).capacitor_area


def test_the_command_line_writes_and_checks_clocked_chips(tmp_path: Path) -> None:
    Path(tmp_path, "one.kc").write_text(NET.replace("    }\n    phase decide for 300 ns {\n", ""))
    for target, file in (("spice", "Two.spice"), ("layout", "Two_pins.json")):
        done = CliRunner().invoke(cli, [str(tmp_path / "one.kc"), "--target", target, "--clocked", "-o", str(tmp_path / target)])
        assert done.exit_code == 0 and "set_r_0" in Path(tmp_path, target, file).read_text()
    assert json.loads(Path(tmp_path, "layout", "Two.manifest.json").read_text())["options"]["clocked"] is True
