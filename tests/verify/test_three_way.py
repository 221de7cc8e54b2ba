"""The same circuit natively, in ngspice, as compiled Verilog-A in ngspice, and in VACASK: every two of them agree."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.cli import cli
from kcompile.diagnostics import SimulatorFailed
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Netlist
from kcompile.verify.compare import Agreement, Simulator, compare
from kcompile.verify.deck import Deck, deck_of
from kcompile.verify.judge import Run
from kcompile.verify.show import show_report
from tests.lower.test_veriloga_golden import CASES, UNTIL, circuit
from tests.test_examples import RUNS, example

WANTED = 1e-5
"""Largest error against native and between every two tools, relative to full scale."""

SMALL = ("low_pass", "kirchhoff_net", "edges")
"""Examples that take a second or two; benchmarks/three_way.py has all."""

pytestmark = pytest.mark.usefixtures("osdi", "vacask")


def assert_agreement(circuit: kc.Circuit, until: float | None) -> Agreement:
    agreement = kc.verify(circuit, against="ngspice,osdi,vacask", until=until, tolerance=WANTED)
    assert isinstance(agreement, Agreement)
    assert agreement.passed, show_report(agreement)
    assert len(agreement.pairs) == 3
    for one, other, apart in agreement.pairs:
        assert apart.max() < WANTED, (one, other)
    assert all(report.full_scale > 0.1 for report in agreement.reports), "something moves"
    return agreement


@pytest.mark.parametrize("name", SMALL)
def test_examples(name: str) -> None:
    assert_agreement(example(name), RUNS[name][0])


@pytest.mark.parametrize("case", [case for case in CASES if case != "waves"])
def test_goldens(case: str) -> None:
    """The numeric oracle beside the texts: states, charges, guards, slices, gated states, ties, rails, inputs."""
    agreement = assert_agreement(circuit(case), UNTIL[case])
    assert any("." in name for name in agreement.reports[0].names), "an inner state is compared"


def test_waveforms_of_every_kind() -> None:
    """Many corners keep the steps of every simulator short, so that a tighter bound would take a minute."""
    agreement = kc.verify(circuit("waves"), against="osdi,vacask", until=20e-9, tolerance=1e-3)
    assert agreement.passed, show_report(agreement)
    error = dict(zip(agreement.reports[1].names, agreement.reports[1].attempts[-1].error, strict=True))
    assert max(error[name] for name in "abcde") < 1e-13, "the sources themselves are the same"


def starts(body: str, until: float) -> None:
    source = kc.Source("case.kc", f"use std.passive: Resistor, Capacitor, Inductor;\ncircuit Case {{ {body} }}")
    assert_agreement(kc.compile(source), until)


def test_a_capacitor_to_a_driven_node_starts_right() -> None:
    starts("""node vin, x; drive vin = sin(1 V, 0.5 V, 200 MHz, phase = 30); Capacitor(vin, x); Capacitor(x, gnd);
           Resistor(x, gnd); initial x = 0.3 V;""", 5e-9)


def test_floating_capacitors_and_a_negative_state_start_right() -> None:
    starts("""node a, b, c; Capacitor(a, b) { c = 2 pF }; Capacitor(b, c); Capacitor(c, gnd); Resistor(a, c);
           Resistor(b, gnd); initial a = 1 V; initial b = 0.25 V; initial c = -0.5 V;""", 5e-9)


def test_slices_with_sources_and_states() -> None:
    """Gates, a pulse inside a slice, and a state that only one slice moves."""
    text = """use std.passive: Capacitor, Resistor, Inductor; use std.sources: CurrentSource;
    circuit Case(vin) {
        node x[2];
        drive vin = pulse(0 V, 1 V, delay = 2 ns, rise = 1 ns, width = 12 ns, fall = 1 ns);
        Capacitor(n, gnd) for n in x;
        Resistor(vin, x[0]) { r = 2 kOhm };
        phase one for 10 ns { Inductor L(x[0], x[1]) { l = 2 uH }; }
        phase two for 10 ns { Resistor(x[0], x[1]); CurrentSource I(gnd, x[1]) { i = sin(0 A, 0.1 mA, 100 MHz) }; }
        output x;
    }"""
    assert_agreement(kc.compile(kc.Source("case.kc", text)), None)


def test_names_that_mean_something_to_a_simulator() -> None:
    """Parameters and terminals with the names of functions, keywords, and parameters that every instance has."""
    words = ("c v i e m temp dtemp time is area module input1 end real from ln sqrt1 pi1 off ic tc1 nf w l mult mfactor scale "
             "parameter branch ground wire table").split()
    params = "".join(f"param {word}: real = {k + 1};" for k, word in enumerate(words))
    total = " + ".join(words)
    text = f"""use std.passive: Capacitor;
    device Leak(electrical, inout) {{ {params} I(electrical, inout) <+ 1 uS * ({total}) * V(electrical, inout); }}
    circuit Module {{ node begin, subckt, ends1; node all = begin + subckt + ends1; Capacitor(n, gnd) for n in all;
        Leak control(begin, subckt); Leak analysis(subckt, ends1); initial begin = 1 V; output all; }}"""
    assert_agreement(kc.compile(kc.Source("words.kc", text)), 2e-9)


def test_a_law_with_as_many_terminals_as_the_language_allows() -> None:
    nodes = [f"t{k}" for k in range(64)]
    text = f"""use std.passive: Capacitor;
    device Wide({", ".join(nodes)}) {{ I(t0) <+ 1 uS * ({" + ".join(f"V({n})" for n in nodes)}); }}
    circuit Top {{ node x[64]; Capacitor(n, gnd) for n in x; Wide({", ".join(f"x[{k}]" for k in range(64))});
        initial x[k] = 0.1 V * k for k in 0..64; output x[0]; }}"""
    assert_agreement(kc.compile(kc.Source("wide.kc", text)), 1e-9)


def test_laws_without_a_parameter_and_without_a_current() -> None:
    text = """use std.passive: Capacitor;
    device Nothing(a) { param p: real = 1; }
    device Fixed(a) { I(a) <+ 1 mS * V(a); }
    circuit Top { node x; Capacitor(x, gnd); Nothing(x); Fixed(x); initial x = 1 V; }"""
    assert_agreement(kc.compile(kc.Source("bare.kc", text)), 2e-9)


# ---- what an agreement says ---------------------------------------------------------------------------------------------

RC = """use std.passive: Resistor, Capacitor;
circuit Rc(vin, vout) {
    drive vin = sin(0 V, 1 V, 1 MHz);
    Resistor R1(vin, vout) { r = 1.5 kOhm };
    Capacitor C1(vout, gnd) { c = 100 pF };
    output vout;
}
"""


class Tampered:
    """A simulator with the netlist changed on its way."""

    def __init__(self, simulator: Simulator, old: str, new: str) -> None:
        self.name, self._simulator, self._old, self._new = simulator.name, simulator, old, new

    def version(self) -> str:
        return "tampered"

    def lower(self, circuit: kc.Circuit, options: BenchOptions) -> Netlist:
        return self._simulator.lower(circuit, options)

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run:
        files = {name: text.replace(self._old, self._new) for name, text in deck.files.items()}
        assert files != dict(deck.files)
        return self._simulator(Deck(deck.main, files), netlist, until)


@pytest.mark.parametrize(("old", "new"), [
    ("r=1500.0", "r=1503.0"), ("c=1e-10", "c=1.003e-10"), ("V(p,n)/r", "V(p,n)/r+1e-6"), ("ddt(c*V(p,n))", "ddt(1.003*c*V(p,n))"),
    ("rc_capacitor c", "rc_resistor r")])
def test_a_wrong_netlist_or_module_fails(old: str, new: str, osdi: Simulator, vacask: Simulator) -> None:
    for simulator in (osdi, vacask):
        report = compare(kc.compile(kc.Source("rc.kc", RC)), Tampered(simulator, old, new), until=2e-6, tolerance=1e-4)
        assert not report.passed
        assert report.attempts[-1].worst > 2e-4


@pytest.mark.parametrize(("old", "new"), [(".ic v(vout)=0.0", ".ic v(vout)=0.01"), ('"vout", 0.0', '"vout", 0.01')])
def test_a_wrong_start_fails(old: str, new: str, osdi: Simulator, vacask: Simulator) -> None:
    simulator = osdi if old.startswith(".") else vacask
    report = compare(kc.compile(kc.Source("rc.kc", RC)), Tampered(simulator, old, new), until=2e-6, tolerance=1e-5)
    assert report.attempts[-1].worst > 1e-3


def test_second_order_in_the_step(osdi: Simulator, vacask: Simulator) -> None:
    for simulator in (osdi, vacask):
        report = compare(kc.compile(kc.Source("rc.kc", RC)), simulator, until=2e-6, tolerance=1e-6)
        assert report.passed
        assert report.order == pytest.approx(2.0, abs=0.1)


def test_the_distance_of_two_tools_is_that_of_their_waveforms(vacask: Simulator, osdi: Simulator) -> None:
    """A tool that is wrong by itself is as far from the other one as from native."""
    model = kc.compile(kc.Source("rc.kc", RC))
    wrong = compare(model, Tampered(vacask, "r=1500.0", "r=1600.0"), until=2e-6, tolerance=1e-5)
    right = compare(model, osdi, until=2e-6, tolerance=1e-5)
    agreement = Agreement((right, wrong))
    assert not agreement.passed
    [(one, other, apart)] = agreement.pairs
    assert (one, other) == (right.tool, "tampered")
    assert apart.max() == pytest.approx(wrong.attempts[-1].worst, rel=0.01)
    assert "FAILED: " in show_report(agreement)


def test_the_command_line_says_it(tmp_path: Path, vacask: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rc.kc"
    path.write_text(RC)
    command = ["verify", str(path), "--until", "1us", "--against", "osdi,vacask"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "worst pair" in done.output
    assert "against each of 2 tools" in done.output
    told = json.loads(CliRunner().invoke(cli, [*command, "--format", "json"]).output)
    assert told["passed"] is True
    assert [report["against"].split()[0] for report in told["reports"]] == ["ngspice", "VACASK"]
    assert set(told["pairs"][0]["errors"]) == {"vin", "vout"}
    made = CliRunner().invoke(cli, [str(path), "--target", "veriloga", "--until", "1us", "--check", "-o", str(tmp_path / "out")])
    assert made.exit_code == 0, made.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "Rc.va", "Rc.spice", "Rc_tb.cir", "Rc.map.json", "Rc.manifest.json"}
    module = importlib.import_module("kcompile.verify.run_vacask")  # `kcompile.verify` is a function by now
    monkeypatch.setattr(module, "SIMULATOR", Tampered(vacask, "r=1500.0", "r=1600.0"))
    assert CliRunner().invoke(cli, command).exit_code == 1


# ---- failures -----------------------------------------------------------------------------------------------------------

def test_a_voltage_without_bound(osdi: Simulator, vacask: Simulator) -> None:
    text = """use std.passive: Capacitor;
    device Grow(p) { I(gnd, p) <+ 1 S * 1 V * exp(V(p) / 1 V); }
    circuit Failing { node x; Capacitor(x, gnd) { c = 1 nF }; Grow(x); }"""
    model = kc.compile(kc.Source("failing.kc", text))
    for simulator, tool in ((osdi, "ngspice with OSDI"), (vacask, "VACASK")):
        netlist = simulator.lower(model, BenchOptions(until=1e-8))
        with pytest.raises(SimulatorFailed) as caught:
            simulator(deck_of(model.name, netlist.artifacts), netlist, 1e-8)
        assert caught.value.kind in ("diverged", "nonfinite")
        assert tool in str(caught.value) or caught.value.kind == "nonfinite"


@pytest.mark.parametrize(("script", "kind"), [
    ("exit 0", "partial"), ("echo 'Parameter not found.'; exit 1", "deck"), ("kill -SEGV $$", "crash"),
    ("echo 'Timestep too small. Transient analysis aborted.'; exit 1", "diverged"), ("echo nonsense > Rc_tb.raw", "partial")])
def test_failures_of_vacask_are_told_apart(script: str, kind: str, vacask: Simulator, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vacask"
    program.write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(program, 0o755)
    monkeypatch.setenv("KCOMPILE_VACASK", str(program))
    model = kc.compile(kc.Source("rc.kc", RC))
    netlist = vacask.lower(model, BenchOptions(until=1e-6))
    with pytest.raises(SimulatorFailed) as caught:
        vacask(deck_of(model.name, netlist.artifacts), netlist, 1e-6)
    assert caught.value.kind == kind


def test_a_module_that_does_not_compile(osdi: Simulator) -> None:
    model = kc.compile(kc.Source("rc.kc", RC))
    netlist = osdi.lower(model, BenchOptions(until=1e-6))
    deck = deck_of(model.name, netlist.artifacts)
    broken = Deck(deck.main, {**deck.files, "Rc.va": deck.files["Rc.va"].replace("V(p,n)/r", "V(p,n)/nowhere")})
    with pytest.raises(SimulatorFailed) as caught:
        osdi(broken, netlist, 1e-6)
    assert caught.value.diagnostics[0].code == "KC0713"
    assert any("nowhere" in note for note in caught.value.diagnostics[0].notes)


def test_drift_is_taken_at_equal_instants(osdi: Simulator) -> None:
    report = compare(kc.compile(kc.Source("rc.kc", RC)), osdi, until=1e-6, tolerance=1e-4)
    last = report.attempts[-1]
    assert last.drift.shape == (501, 2)
    assert np.all(np.abs(last.drift).max(axis=0) <= last.error * (1 + 1e-12))
