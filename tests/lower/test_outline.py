"""Netlists with repeated structure as subcircuits: the same waveforms in ngspice, at a fraction of the size."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.spice import build_netlist
from kcompile.verify.deck import audit, deck_of
from kcompile.verify.run_ngspice import run_ngspice
from tests.ir.test_blocks import GRID, LC, RING

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
EDGES = (Path(__file__).parents[2] / "examples" / "edges.kc").read_text("utf-8")


def compiled(text: str, n: int, passes: str = "") -> Circuit:
    circuit = kc.compile(kc.Source("t.kc", text), settings={"n": n}, passes=passes)
    return circuit.with_initial(np.linspace(0, 1, len(circuit.inputs)))


def waveforms(circuit: Circuit, until: float) -> np.ndarray:
    """float64[points, nodes and states] of ngspice, in the order of the circuit."""
    netlist = build_netlist(circuit, BenchOptions(until=until, max_step=until / 400))
    vectors = [name.lower() for name in (*netlist.nodes, *netlist.states)]
    run = run_ngspice(deck_of(circuit.name, netlist.artifacts), expected=vectors, until=until)
    times = np.linspace(0, until, 50)
    return np.stack([np.interp(times, run.raw.time, column) for column in run.raw.columns(tuple(vectors)).T], axis=1)


STARTED = GRID.replace("output x[0, 0];", "initial x[i, j] = 0.3 V for i in 0..n, j in 0..n; input y[0, 0], y[1, 2];"
                       "output x[0, 0];")


@needs_ngspice
@pytest.mark.parametrize(("text", "n", "until"), [(LC, 9, 20e-9), (RING, 11, 1e-6), (STARTED, 5, 2.0), (EDGES, 6, 3.0)],
                         ids=["lc", "ring", "grid", "edges"])
def test_the_waveforms_are_those_of_the_flat_netlist(text: str, n: int, until: float) -> None:
    flat, outlined = compiled(text, n), compiled(text, n, "outline")
    assert outlined.outlined
    one, two = waveforms(flat, until), waveforms(outlined, until)
    scale = np.ptp(one, axis=0)
    assert np.sum(scale > 1e-3) > 5, "something moves"
    assert np.all(np.abs(one - two) <= 1e-6 * scale + 1e-12)


@pytest.mark.parametrize(("text", "n"), [(LC, 1000), (RING, 1000), (GRID, 40), (EDGES, 64)], ids=["lc", "ring", "grid", "edges"])
def test_the_netlist_is_five_times_smaller(text: str, n: int) -> None:
    flat, outlined = ({a.name: a.text for a in kc.lower(compiled(text, n, passes), until=1e-6)} for passes in ("", "outline"))
    [name] = [name for name in flat if name.endswith(".spice")]
    assert len(outlined[name]) * 5 < len(flat[name])


def test_both_dialects_write_blocks() -> None:
    artifacts = kc.lower(compiled(LC, 20, "outline"), until=1e-9)
    audit(deck_of("Lc", artifacts))
    xyce = kc.lower(compiled(LC, 20, "outline"), dialect="xyce", until=1e-9)
    blocks = [[line for line in files[0].text.lower().split("\n") if line.startswith((".subckt lc_block", "xblock", "x0", "x1"))]
              for files in (artifacts, xyce)]
    assert blocks[0] == blocks[1] and len(blocks[0]) > 6


def test_inline_gives_the_flat_netlist_back() -> None:
    flat, back = compiled(LC, 20), compiled(LC, 20, "outline,inline")
    assert [a.text for a in kc.lower(flat, until=1e-9)] == [a.text for a in kc.lower(back, until=1e-9)]


def test_a_shared_parameter_is_handed_down() -> None:
    text = GRID.replace("= [1 S, -2 S, 0.5 S]", "= [1 S, -2 S, 0.5 S] trainable")
    netlist = kc.lower(compiled(text, 6, "outline"))[0].text
    assert "p_w_1=-2.0" in netlist and "p_w_1={p_w_1}" in netlist and "k={p_w_1}" in netlist


def test_canonical_text_keeps_the_mark() -> None:
    from kcompile.ir.printer import print_circuit

    circuit = compiled(LC, 5, "outline")
    again = kc.compile(kc.Source("lc.kcir", print_circuit(circuit)))
    assert again.outlined and not compiled(LC, 5).outlined
    assert print_circuit(again) == print_circuit(circuit)
