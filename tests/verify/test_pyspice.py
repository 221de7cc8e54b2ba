"""PySpice gives the waveforms of our own runner: the same deck through the shared library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.diagnostics import SimulatorFailed, ToolMissing
from kcompile.lower.base import BenchOptions
from kcompile.lower.spice import build_netlist
from kcompile.verify import run_pyspice
from kcompile.verify.deck import Deck, deck_of
from kcompile.verify.run_ngspice import SIMULATOR as NGSPICE
from kcompile.verify.run_pyspice import SIMULATOR as PYSPICE
from kcompile.verify.run_pyspice import to_pyspice

pytest.importorskip("PySpice", reason="PySpice is not installed")
EXAMPLES = Path(__file__).parents[2] / "examples"


def kirchhoff_net() -> kc.Circuit:
    """The example with drawn parameters; without weights all its currents are 0."""
    circuit = kc.compile(EXAMPLES / "kirchhoff_net.kc", inputs=[0.5, -0.3])
    rng = np.random.default_rng(3)
    return circuit.with_params({name: rng.normal(0.0, 0.2, circuit.parameters()[name].shape) for name in circuit.trainable()})


CASES = {"low_pass": (lambda: kc.compile(EXAMPLES / "low_pass.kc"), 1e-6),
         "lc_line": (lambda: kc.compile(EXAMPLES / "lc_line.kc"), 60e-9), "kirchhoff_net": (kirchhoff_net, 1.0)}


@pytest.mark.parametrize("name", CASES)
def test_the_same_waveforms(name: str) -> None:
    make, until = CASES[name]
    circuit = make()
    netlist = build_netlist(circuit, BenchOptions(until=until, max_step=until / 500))
    deck = deck_of(circuit.name, netlist.artifacts)
    ours, theirs = NGSPICE(deck, netlist, until), PYSPICE(deck, netlist, until)
    vectors = tuple(vector.lower() for vector in (*netlist.nodes, *netlist.states))
    one, two = ours.raw.columns(vectors), theirs.raw.columns(vectors)
    assert len(one) > 500
    np.testing.assert_array_equal(ours.raw.time, theirs.raw.time)
    scale = np.ptp(one, axis=0)
    assert np.all(scale > 0)
    assert float((np.abs(one - two) / scale).max()) <= 1e-9


def test_a_verification_through_pyspice() -> None:
    report = kc.verify(EXAMPLES / "low_pass.kc", against="pyspice", until=1e-6)
    assert report.passed
    assert report.tool == "PySpice 1.5"


def test_a_circuit_of_pyspice_holds_the_deck() -> None:
    text = str(to_pyspice(kc.compile(EXAMPLES / "low_pass.kc"), until=1e-6))
    for card in ("Rr1 vin vout 10000.0", "Vdrive_vin vin 0 PULSE(", ".subckt lowpass"):
        assert card in text
    assert ".tran" not in text


def test_the_deck_is_audited() -> None:
    circuit = kc.compile(EXAMPLES / "low_pass.kc")
    netlist = build_netlist(circuit, BenchOptions(until=1e-6))
    deck = deck_of(circuit.name, netlist.artifacts)
    planted = Deck(deck.main, {**deck.files, deck.main: deck.files[deck.main] + ".control\nshell true\n.endc\n"})
    with pytest.raises(SimulatorFailed):
        PYSPICE(planted, netlist, 1e-6)


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(run_pyspice, "_LIBRARY_DIRECTORIES", ())
    monkeypatch.setattr(run_pyspice.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(ToolMissing) as caught:
        run_pyspice.find_library()
    assert caught.value.diagnostics[0].code == "KC0701"
