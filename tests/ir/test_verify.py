"""Planted corruptions of a circuit, each caught when the circuit is made, with a message that names it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit, InstanceTable, NodeBank, SharedParam, Stimulus, Tie, Wave, frozen
from kcompile.ir.names import Segment
from kcompile.ir.verify import InvalidCircuit, verify

PROGRAM = """use std.passive: Resistor, Capacitor;
use std.compute: Transconductor;
use std.sources: CurrentSource;
device Count(p) { param n: integer = 1; I(p) <+ 1 A * n; }
circuit Sub(a) { node m; Capacitor(m, gnd); Resistor(a, m); }
circuit T(vin, vout) {
    param w[2, 2]: conductance = [[1 S, 2 S], [3 S, 4 S]] in [0 S, 8 S] trainable;
    node x[2, 3], s[2];
    drive vin = pulse(0 V, 1 V, rise = 1 us, width = 1 us);
    drive s[k] = pwl(0 s, 0 V, 1 s, 1 V * k) for k in 0..2;
    Capacitor C(n, gnd) { c = 1 pF } for n in x + vout;
    Resistor R(x[0, k], x[1, k]) for k in 0..3;
    Transconductor t(x[0, i], x[1, j]) { gm = w[i, j] } for i in 0..2, j in 0..2;
    CurrentSource i(x[0, 0], gnd) { i = sin(0 A, 1 mA, 1 kHz) };
    Count k(x[0, 0]) { n = 3 };
    Sub sub[k](x[0, k]) for k in 0..3;
    phase one for 1 s { Transconductor p(x[0, 0], vout) { fixed gm = 1 S }; }
    phase two for 2 s { Resistor(vout, gnd); }
    initial x[0, 1] = 0.5 V;
    input x;
    output vout, x[0, 0..2];
}
"""


@pytest.fixture(scope="module")
def good() -> Circuit:
    return kc.compile(kc.Source("t.kc", PROGRAM))


def with_table(circuit: Circuit, name: str, **changes: Any) -> Circuit:
    """Circuit with some fields of one bank replaced; a callable gets the old value."""
    def change(table: InstanceTable) -> InstanceTable:
        made = {key: value(getattr(table, key)) if callable(value) else value for key, value in changes.items()}
        return replace(table, **made)

    assert any(table.bank == name for table in circuit.tables)
    return replace(circuit, tables=tuple(change(t) if t.bank == name else t for t in circuit.tables))


def with_shared(circuit: Circuit, **changes: Any) -> Circuit:
    [one] = circuit.shared
    return replace(circuit, shared=(replace(one, **changes),))


def with_stimulus(circuit: Circuit, at: int, **changes: Any) -> Circuit:
    return replace(circuit, stimuli=(*circuit.stimuli[:at], replace(circuit.stimuli[at], **changes), *circuit.stimuli[at + 1 :]))


def with_bank(circuit: Circuit, at: int, **changes: Any) -> Circuit:
    banks = circuit.nodes.banks
    return replace(circuit, nodes=replace(circuit.nodes, banks=(*banks[:at], replace(banks[at], **changes), *banks[at + 1 :])))


def with_initial(circuit: Circuit, initial: np.ndarray) -> Circuit:
    return replace(circuit, nodes=replace(circuit.nodes, initial=initial))


def changed(array: np.ndarray, place: Any, value: float) -> np.ndarray:
    """Read-only copy with one element replaced."""
    copy = np.array(array)
    copy[place] = value
    return frozen(copy)


def ids(*numbers: int) -> np.ndarray:
    return frozen(np.array(numbers, dtype=np.int32))


def column(name: str, place: Any, value: float) -> Callable[[Any], Any]:
    return lambda params: {**params, name: changed(params[name], place, value)}


def tie(**changes: Any) -> Callable[[Any], Any]:
    return lambda ties: {"gm": replace(ties["gm"], **changes)}


def pulse(circuit: Circuit, place: int, value: float) -> Wave:
    wave = circuit.stimuli[0].wave
    return Wave(wave.kind, changed(wave.arguments, (0, place), value))


def other(circuit: Circuit) -> SharedParam:
    return replace(circuit.shared[0], values=frozen(circuit.shared[0].values[:2].copy()), shape=(2,))


CORRUPTIONS: dict[str, tuple[Callable[[Circuit], Circuit], str]] = {
    # nodes
    "initial voltages of float32": (lambda c: with_initial(c, frozen(c.nodes.initial.astype(np.float32))), "initial is float32"),
    "initial voltages that are writable": (lambda c: with_initial(c, c.nodes.initial.copy()), "initial is writable"),
    "an initial voltage of nan": (lambda c: with_initial(c, changed(c.nodes.initial, 3, np.nan)), "not all finite"),
    "an infinite initial voltage": (lambda c: with_initial(c, changed(c.nodes.initial, 3, np.inf)), "not all finite"),
    "ground off 0 V": (lambda c: with_initial(c, changed(c.nodes.initial, 0, 1.0)), "ground at 0 V"),
    "one initial voltage too few": (
        lambda c: with_initial(c, frozen(c.nodes.initial[:-1].copy())), "the banks hold 14 nodes, the table 13"),
    "a bank that starts elsewhere": (lambda c: with_bank(c, 1, first=3), "vout starts at 3"),
    "a bank of another size": (lambda c: with_bank(c, 0, count=2), "vin"),
    "extents of another size": (
        lambda c: with_bank(c, 2, path=(Segment("x", extents=(2, 2)),)), "x: extents of 4 rows do not name 6"),
    "a name for too few nodes": (lambda c: with_bank(c, 4, path=(Segment("m", np.zeros((2, 1), dtype=int)),)), "index of m"),
    "two banks of nodes with one name": (lambda c: with_bank(c, 1, path=(Segment("vin"),)), "two node banks are called vin"),
    # ports, inputs, outputs, drives
    "ports of int64": (lambda c: replace(c, ports=frozen(c.ports.astype(np.int64))), "ports: the array is int64"),
    "a port that is ground": (lambda c: replace(c, ports=ids(0, 2)), "ports hold ground"),
    "an input beyond the nodes": (lambda c: replace(c, inputs=ids(99)), "inputs are not nodes"),
    "an input twice": (lambda c: replace(c, inputs=ids(3, 4, 3)), "twice among the inputs"),
    "an input that is driven": (lambda c: replace(c, inputs=ids(1)), "an input is driven"),
    "a negative output": (lambda c: replace(c, outputs=ids(-1)), "outputs are not nodes"),
    "outputs that are writable": (lambda c: replace(c, outputs=c.outputs.copy()), "outputs: the array is writable"),
    "outputs in two dimensions": (
        lambda c: replace(c, outputs=frozen(c.outputs.reshape(1, -1))), "outputs: the array is int32(1, 3)"),
    "ground driven": (lambda c: with_stimulus(c, 0, nodes=ids(0)), "drive 0 hold ground"),
    "a node driven twice": (lambda c: with_stimulus(c, 0, nodes=ids(9)), "twice among the driven"),
    "a drive beyond the nodes": (lambda c: with_stimulus(c, 0, nodes=ids(44)), "drive 0 are not nodes"),
    "a drive with too few rows": (lambda c: with_stimulus(c, 1, nodes=ids(9, 10, 2)), "drive 1: the arguments of pwl"),
    "a waveform nobody knows": (
        lambda c: with_stimulus(c, 0, wave=replace(c.stimuli[0].wave, kind="step")), "step is not a waveform"),
    "a waveform with nan": (lambda c: with_stimulus(c, 0, wave=pulse(c, 0, np.nan)), "v1 of pulse breaks its rule"),
    "a rise of nought": (lambda c: with_stimulus(c, 0, wave=pulse(c, 3, 0.0)), "rise of pulse breaks its rule"),
    "a pulse without its fall": (lambda c: with_stimulus(
        c, 0, wave=Wave("pulse", frozen(c.stimuli[0].wave.arguments[:, :6].copy()))), "arguments of pulse"),
    "corners that go back": (lambda c: with_stimulus(c, 1, wave=Wave("pwl", changed(c.stimuli[1].wave.arguments, (1, 2), -1.0))),
                             "increase"),
    # banks
    "nodes of int64": (
        lambda c: with_table(c, "R", nodes=lambda n: frozen(n.astype(np.int64))), "bank R: nodes: the array is int64"),
    "nodes that are writable": (lambda c: with_table(c, "R", nodes=lambda n: n.copy()), "bank R: nodes: the array is writable"),
    "a terminal too many": (
        lambda c: with_table(c, "R", nodes=lambda n: frozen(np.hstack([n, n[:, :1]]))), "expected int32(3, 2)"),
    "a node beyond the last": (lambda c: with_table(c, "R", nodes=lambda n: changed(n, (0, 0), 14)), "bank R: a node number"),
    "a negative node": (lambda c: with_table(c, "R", nodes=lambda n: changed(n, (2, 1), -1)), "bank R: a node number"),
    "a parameter of float32": (lambda c: with_table(c, "R", params=lambda p: {"r": frozen(p["r"].astype(np.float32))}),
                               "bank R: parameter r is float32"),
    "a parameter that is writable": (
        lambda c: with_table(c, "R", params=lambda p: {"r": np.array(p["r"])}), "parameter r is writable"),
    "a parameter for too few": (
        lambda c: with_table(c, "R", params=lambda p: {"r": frozen(p["r"][:2].copy())}), "expected float64(3)"),
    "a parameter of nan": (lambda c: with_table(c, "R", params=column("r", 1, np.nan)), "parameter r leaves its limits"),
    "an infinite parameter": (lambda c: with_table(c, "R", params=column("r", 1, np.inf)), "parameter r leaves its limits"),
    "a parameter outside its limits": (
        lambda c: with_table(c, "C", params=column("c", 0, 0.0)), "parameter c leaves its limits (0.0"),
    "a count that is not whole": (lambda c: with_table(c, "k", params=column("n", 0, 1.5)), "parameter n is not a whole number"),
    "a parameter missing": (lambda c: with_table(c, "R", params={}), "parameters [] given, ['r'] expected"),
    "a parameter too many": (lambda c: with_table(c, "R", params=lambda p: {**p, "q": p["r"]}), "parameters ['q', 'r'] given"),
    "a waveform missing": (lambda c: with_table(c, "i", waves={}), "waveforms [] given, ['i'] expected"),
    "a waveform with rows of others": (lambda c: with_table(c, "i", waves=lambda w: {
        "i": Wave("sin", frozen(np.repeat(w["i"].arguments, 2, axis=0)))}), "waveform i: the arguments of sin"),
    "a negative frequency": (
        lambda c: with_table(c, "i", waves=lambda w: {"i": Wave("sin", changed(w["i"].arguments, (0, 2), -1.0))}),
                             "frequency of sin breaks its rule"),
    "a phase that is not there": (lambda c: with_table(c, "two.Resistor[0]", phase=2), "phase 2 does not exist"),
    "a negative phase": (lambda c: with_table(c, "two.Resistor[0]", phase=-1), "phase -1 does not exist"),
    "a capacitor in a phase": (lambda c: with_table(c, "C", phase=0), "bank C: a capacitance stands inside a phase"),
    "a frozen parameter that cannot train": (
        lambda c: with_table(c, "R", fixed=frozenset({"r"})), "r is fixed and not trainable"),
    "places for too few": (lambda c: with_table(c, "R", origin=np.zeros(2, dtype=int)), "2 origins are given for 3 rows"),
    "two banks with one name": (lambda c: replace(c, tables=(*c.tables, c.tables[1])), "two banks are called R"),
    # shared parameters and ties
    "a shared value outside its limits": (
        lambda c: with_shared(c, values=changed(c.shared[0].values, 0, 9.0)), "w leaves its limits"),
    "a shared value of nan": (lambda c: with_shared(c, values=changed(c.shared[0].values, 0, np.nan)), "w leaves its limits"),
    "shared values of another shape": (
        lambda c: with_shared(c, shape=(3, 2)), "shared parameter w is float64(4,), expected float64(6)"),
    "shared values that are writable": (lambda c: with_shared(c, values=np.array(c.shared[0].values)), "w is writable"),
    "two shared parameters with one name": (lambda c: replace(c, shared=c.shared * 2), "two shared parameters are called w"),
    "a tie to nothing": (lambda c: with_table(c, "t", ties=tie(shared="v")), "gm is tied to nothing (v)"),
    "a tie of what is no parameter": (lambda c: with_table(c, "t", ties=lambda t: {"q": t["gm"]}), "q is tied to nothing"),
    "a tie beyond the shared values": (lambda c: with_table(c, "t", ties=tie(index=ids(0, 1, 2, 4))), "gm is tied outside w"),
    "a negative tie": (lambda c: with_table(c, "t", ties=tie(index=ids(0, 1, 2, -1))), "gm is tied outside w"),
    "a tie with too few rows": (lambda c: with_table(c, "t", ties=tie(index=ids(0, 1))), "index of the tie of gm is int32(2,)"),
    "a tie of int64": (lambda c: with_table(c, "t", ties=tie(index=frozen(np.arange(4)))), "index of the tie of gm is int64"),
    "a tie to other values": (lambda c: with_table(c, "t", ties=tie(index=ids(0, 1, 3, 2))), "gm differs from w"),
    "shared values that the banks do not follow": (
        lambda c: with_shared(c, values=changed(c.shared[0].values, 2, 5.0)), "gm differs from w"),
    "a shared array that became shorter": (lambda c: replace(c, shared=(other(c),)), "gm is tied outside w"),
    # phases
    "a phase of no time": (
        lambda c: replace(c, phases=(replace(c.phases[0], duration=0.0), c.phases[1])), "phase one lasts 0.0 s"),
    "a phase of nan": (
        lambda c: replace(c, phases=(replace(c.phases[0], duration=np.nan), c.phases[1])), "phase one lasts nan s"),
    "a phase without end": (
        lambda c: replace(c, phases=(replace(c.phases[0], duration=np.inf), c.phases[1])), "phase one lasts inf s"),
    "two phases with one name": (
        lambda c: replace(c, phases=(c.phases[0], replace(c.phases[1], name="one"))), "two phases are called one"),
    "phases that are gone": (lambda c: replace(c, phases=()), "phase 0 does not exist"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_caught_and_named(name: str, good: Circuit) -> None:
    corrupt, said = CORRUPTIONS[name]
    with pytest.raises(InvalidCircuit) as caught:
        corrupt(good)
    assert str(caught.value).startswith("circuit T: ")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600


def test_there_are_forty_and_more() -> None:
    assert len(CORRUPTIONS) >= 40


def test_a_correct_circuit_passes_and_so_do_harmless_changes(good: Circuit) -> None:
    verify(good)
    verify(with_table(good, "R", params=column("r", 1, 5.0)))
    verify(with_shared(good, trainable=False))
    verify(replace(good, outputs=ids(3, 3, 1), ports=ids()))
    verify(with_initial(good, changed(good.nodes.initial, 3, -7.5)))
    verify(with_stimulus(good, 0, wave=pulse(good, 5, np.inf)))
    assert [bank.path[-1].text for bank in good.nodes.banks] == ["vin", "vout", "x", "s", "m"]


def test_an_empty_circuit_passes() -> None:
    assert kc.compile(kc.Source("t.kc", "circuit T { }")).nodes.count == 1


def test_every_problem_is_named_up_to_five(good: Circuit) -> None:
    tables = tuple(replace(t, nodes=changed(t.nodes, (0, 0), 99)) for t in good.tables)
    with pytest.raises(InvalidCircuit) as caught:
        replace(good, tables=tables)
    assert str(caught.value).count("a node number is out of range") == 5


def test_columns_of_a_compiled_circuit_cannot_be_written(good: Circuit) -> None:
    arrays = [good.nodes.initial, good.ports, good.inputs, good.outputs, good.shared[0].values]
    arrays += [array for s in good.stimuli for array in (s.nodes, s.wave.arguments)]
    for table in good.tables:
        arrays += [table.nodes, *table.params.values(), *(t.index for t in table.ties.values()),
                   *(w.arguments for w in table.waves.values())]
    for array in arrays:
        assert not array.flags.writeable
    assert len({id(array) for array in itertools.chain(arrays)}) > 20
    assert isinstance(good.stimuli[0], Stimulus) and isinstance(good.nodes.banks[0], NodeBank)
    assert isinstance(good.tables[2].ties["gm"], Tie)
