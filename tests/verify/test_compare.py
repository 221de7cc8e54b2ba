"""What a verification reports: second order, the error of every waveform, and a verdict that a wrong netlist fails."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.cli import cli
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Netlist
from kcompile.verify.compare import Report, compare
from kcompile.verify.deck import Deck
from kcompile.verify.judge import Run
from kcompile.verify.run_ngspice import SIMULATOR
from kcompile.verify.show import show_report

HEAD = "use std.passive: Resistor, Capacitor, Inductor;\n"
RC = kc.Source("rc.kc", HEAD + """circuit Rc(vin, vout) {
    drive vin = sin(0 V, 1 V, 1 MHz);
    Resistor R1(vin, vout) { r = 1.5 kOhm };
    Capacitor C1(vout, gnd) { c = 100 pF };
    output vout;
}""")


class Tampered:
    """ngspice with the netlist changed on its way."""

    name = "tampered"

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = old, new

    def version(self) -> str:
        return "tampered"

    def lower(self, circuit: kc.Circuit, options: BenchOptions) -> Netlist:
        return SIMULATOR.lower(circuit, options)

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run:
        files = {name: text.replace(self._old, self._new) for name, text in deck.files.items()}
        assert files != dict(deck.files)
        return SIMULATOR(Deck(deck.main, files), netlist, until)


def verified(body: str, until: float, tolerance: float = 1e-6, head: str = HEAD) -> Report:
    return kc.verify(kc.Source("case.kc", f"{head}\ncircuit Case {{ {body} }}"), until=until, tolerance=tolerance)


def test_a_delay_and_a_frequency_of_zero_are_zero() -> None:
    """ngspice reads them as left out: it started an exp after a print step, and gave a sine one period of the run."""
    drives = "exp(0 V, 1 V, rise_tau = 50 ns)", "sin(0 V, 1 V, 0 Hz, phase = 90)"
    for wave in drives:
        report = verified(f"node x, y; drive x = {wave}; Resistor(x, y) {{ r = 1 kOhm }}; Capacitor(y, gnd) {{ c = 20 pF }};",
                          100e-9, 1e-5)
        assert report.passed, wave
        assert report.attempts[0].worst < 1e-2


def test_second_order_on_a_sine() -> None:
    report = kc.verify(RC, until=2e-6, tolerance=1e-6)
    assert report.passed
    assert report.order == pytest.approx(2.0, abs=0.1)
    assert report.names == ("vin", "vout")
    assert report.full_scale == pytest.approx(2.0, rel=1e-3)
    coarse, fine = report.attempts[-2:]
    assert coarse.max_step > fine.max_step
    assert coarse.points < fine.points
    assert coarse.worst > fine.worst
    assert fine.worst == max(fine.error)
    assert report.tool.startswith("ngspice ")


@pytest.mark.parametrize(("old", "new", "worst"), [
    ("1500.0", "1501.0", 1e-4), ("1e-10", "1.001e-10", 1e-4), ("Cc1 vout 0", "Cc1 vout vin", 0.1),
    ("SIN(0.0 1.0", "SIN(0.0 1.001", 1e-4),
    (".ic v(vout)=0.0", ".ic v(vout)=0.01", 1e-3)])
def test_a_wrong_netlist_fails(old: str, new: str, worst: float) -> None:
    report = compare(kc.compile(RC), Tampered(old, new), until=2e-6, tolerance=1e-5)
    assert not report.passed
    assert report.attempts[-1].worst > worst
    assert f"FAILED: {report.attempts[-1].worst:.2e} > 1e-05" in show_report(report)


def test_a_wrong_parameter_fails_in_the_waveform_it_touches() -> None:
    two = kc.Source("two.kc", HEAD + """circuit Two {
        node a, b;
        Resistor Ra(a, gnd); Capacitor(a, gnd); Resistor Rb(b, gnd) { r = 2 kOhm }; Capacitor(b, gnd);
        initial a = 1 V; initial b = 1 V;
    }""")
    report = compare(kc.compile(two), Tampered("Rrb b 0 2000.0", "Rrb b 0 2002.0"), until=2e-9, tolerance=1e-5)
    error = dict(zip(report.names, report.attempts[-1].error, strict=True))
    assert error["a"] < 1e-5 < error["b"]


def test_the_verdict_is_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rc.kc"
    path.write_text(RC.text)
    good = CliRunner().invoke(cli, ["verify", str(path), "--until", "1us", "--tolerance", "1e-4"])
    assert good.exit_code == 0
    assert "passed: " in good.output
    module = importlib.import_module("kcompile.verify.run_ngspice")  # `kcompile.verify` is a function by now
    monkeypatch.setattr(Tampered, "name", "ngspice")
    monkeypatch.setattr(module, "SIMULATOR", Tampered("1500.0", "1600.0"))
    bad = CliRunner().invoke(cli, ["verify", str(path), "--until", "1us", "--tolerance", "1e-4"])
    assert bad.exit_code == 1
    assert "FAILED: " in bad.output
    checked = CliRunner().invoke(cli, [str(path), "--until", "1us", "--check", "-o", str(tmp_path / "out")])
    assert checked.exit_code == 1


def test_the_verdict_does_not_depend_on_a_report_alone() -> None:
    report = kc.verify(RC, until=1e-6, tolerance=1e-4)
    assert report.passed
    last = report.attempts[-1]
    nan = dataclasses.replace(last, error=np.array([np.nan, 0.0]))
    assert not dataclasses.replace(report, attempts=(nan,)).passed


# ---- starts -------------------------------------------------------------------------------------------------------------

def test_driven_nodes_that_only_control() -> None:
    """KLU refuses an `.ic` of a node without an entry of its own, and ngspice calls that a lack of memory."""
    head = HEAD + "use std.compute: Transconductor, TanhSaturation;"
    report = verified("""node vin, unused, x, y; drive vin = sin(0.1 V, 1 V, 100 MHz); drive unused = dc(1 V);
                      Capacitor(n, gnd) for n in x + y; Resistor(n, gnd) for n in x + y; Transconductor(vin, x);
                      TanhSaturation(vin, y);""",
                      2e-8, tolerance=1e-5, head=head)
    assert report.passed


def test_a_capacitor_between_two_nodes_starts_right() -> None:
    """The case that ngspice alone starts at 0.8 V."""
    report = verified("""node vin, x; drive vin = dc(1 V); Capacitor(vin, x); Capacitor(x, gnd); Resistor(x, gnd);
                      initial x = 0.3 V;""", 5e-9)
    assert report.passed
    netlist = kc.lower(kc.Source("case.kc", HEAD + """circuit Case { node vin, x; drive vin = dc(1 V); Capacitor(vin, x);
        Capacitor(x, gnd); initial x = 0.3 V; }"""), until=1e-9)[0].text
    assert ".ic v(vin)=1.0\n" in netlist
    assert ".ic v(x)=0.3\n" in netlist


def test_a_floating_pair_of_capacitors() -> None:
    report = verified("""node a, b, c; Capacitor(a, b) { c = 2 pF }; Capacitor(b, c); Capacitor(c, gnd); Resistor(a, c);
                      Resistor(b, gnd); initial a = 1 V; initial b = 0.25 V; initial c = -0.5 V;""", 5e-9)
    assert report.passed


def test_a_pulse_with_a_rise() -> None:
    report = verified("""node vin, x; drive vin = pulse(0.2 V, 1 V, delay = 1 ns, rise = 10 ps, width = 1 ns, period = 3 ns);
                      Resistor(vin, x); Capacitor(x, gnd) { c = 0.1 pF };""", 7e-9, tolerance=1e-5)
    assert report.passed


def test_a_sine_of_frequency_0() -> None:
    """ngspice takes 1/until for a frequency of 0."""
    report = verified("""node vin, x; drive vin = sin(0.5 V, 1 V, 0 Hz, phase = 30); Resistor(vin, x); Capacitor(x, gnd);""",
                      5e-9, tolerance=1e-5)
    assert report.passed


def test_inner_states_start_at_their_values() -> None:
    head = HEAD + """device Coil(p, n) {
        param i0: current = 1 mA;
        state i: current = 2 * i0;
        ddt(i) = V(p, n) / 1 uH;
        I(p, n) <+ i;
    }"""
    report = verified("""node x; Capacitor(x, gnd); Resistor(x, gnd); Coil L(x, gnd);
                      Coil M[k](x, gnd) { i0 = 0.5 mA * k } for k in 0..3;
                      initial x = 0.1 V;""", 5e-9, head=head)
    assert report.passed
    assert {"L.i", "M[2].i"} <= set(report.names)


def test_slices_carry_their_voltages_over() -> None:
    report = kc.verify(kc.Source("case.kc", """use std.passive: Capacitor, Conductance;
circuit Case {
    node x, y;
    Capacitor(n, gnd) for n in x + y;
    phase a for 1 ns { Conductance(x, y); }
    phase b for 2 ns { Conductance(y, gnd); }
    phase c for 1 ns { Conductance(x, y) { g = 3 mS }; Conductance(x, gnd); }
    initial x = 1 V;
}"""), tolerance=1e-5)
    assert report.passed


def test_an_inner_state_of_nanoseconds_in_a_phase() -> None:
    """On one farad the state took megaamperes, and ngspice gave up at 1e-12 s: `timestep too small`."""
    text = """use std.passive: Capacitor, Resistor, Inductor;
    circuit Cell(p, q) {
        param r: resistance = 2 kOhm;
        node m;
        Capacitor(m, gnd) { c = 1 pF };
        Capacitor(m, q) { c = 0.5 pF };
        Resistor(p, m) { r = r };
        Resistor(m, q) { r = 3 * r };
        initial m = 0.25 V;
    }
    circuit Top(vin) {
        node n[3];
        drive vin = sin(0.1 V, 1 V, 20 MHz);
        Capacitor(n[k], gnd) { c = 1 pF * (k + 1) } for k in 0..3;
        Cell c[k](n[k], n[k + 1]) { r = 1 kOhm * (k + 1) } for k in 0..2;
        Resistor(vin, n[0]) { r = 1 kOhm };
        phase one for 30 ns { Inductor L(n[0], n[2]) { l = 1 uH }; }
        phase two for 20 ns { Inductor L2(n[1], gnd) { l = 2 uH }; }
        output n;
    }"""
    assert kc.verify(kc.Source("states.kc", text), tolerance=1e-4).passed


def test_undamped_ringing_is_followed_to_the_step_that_resolves_it() -> None:
    """Errors stay at the amplitude of the ringing until then, and the verdict was once given there."""
    line = ("node a[9]; drive a[0] = dc(0 V); initial a[k] = 1 V for k in 1..9; Resistor(a[8], gnd) { r = 100 kOhm };"
            "Inductor(a[k], a[k+1]) { l = 1 uH } for k in 0..8; Capacitor(a[k], gnd) { c = 100 pF } for k in 1..9;")
    for until in (2e-6, 4e-6):
        report = verified(line, until, 1e-4)
        assert report.passed
        errors = [attempt.worst for attempt in report.attempts]
        assert errors[1] > 0.9 * errors[0]
        assert report.order == pytest.approx(2.0, abs=0.3)
