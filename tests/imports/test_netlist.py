"""What is read of a netlist, what is refused at which place, and what hostile files do: nothing, and soon."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.diagnostics import MAX_REPORTED, Diagnostic
from kcompile.imports.netlist import import_netlist

SECONDS = 1.0


def imported(folder: Path, text: str, **others: str) -> kc.Circuit:
    """Circuit of a netlist without its title line; `others` are files beside it, by stem."""
    for name, other in others.items():
        (folder / f"{name}.inc").write_text(other)
    (folder / "model.cir").write_text(f"title\n{text}\n.end\n")
    return kc.compile(kc.Source("model.kc", import_netlist(folder / "model.cir").text))


def refused(folder: Path, text: str, **others: str) -> list[Diagnostic]:
    with pytest.raises(kc.CompileError) as caught:
        imported(folder, text, **others)
    return list(caught.value.diagnostics)


# ---- what is read -------------------------------------------------------------------------------------------------------

def names(circuit: kc.Circuit) -> set[str]:
    return {table.name(i) for table in circuit.tables for i in range(table.count)}


def value(circuit: kc.Circuit, name: str) -> float:
    return float(np.ravel(circuit.parameters()[name])[0])


def test_lines_are_put_together(tmp_path: Path) -> None:
    circuit = imported(tmp_path, """* a comment
R1 a
* a comment between
+ 0

+ 1k ; the value
C1 a 0 1p $ farad
* R9 a 0 1
 C2 A 0\t2p // tabs and blanks""")
    assert names(circuit) == {"r1", "c1", "c2"}
    assert value(circuit, "c2.c") == 2e-12


def test_the_title_is_the_title_whatever_it_says(tmp_path: Path) -> None:
    (tmp_path / "m.cir").write_text("R1 a 0 1k\nC1 a 0 1p\n")
    found = import_netlist(tmp_path / "m.cir")
    assert names(kc.compile(kc.Source("m.kc", found.text))) == {"c1"}
    assert "R1 a 0 1k" in found.text.split("\n")[0]
    assert found.name == "m"


def test_what_follows_the_end_is_not_read(tmp_path: Path) -> None:
    assert names(imported(tmp_path, "C1 a 0 1p\n.end\nnonsense")) == {"c1"}


def test_names_that_a_program_does_not_take(tmp_path: Path) -> None:
    circuit = imported(tmp_path, "C1 in 0 1p\nC2 1 0 1p\nC3 n1 0 1p\nC4 a-b 0 1p\nC5 a_b 0 1p\nR#1 if Resistor 1k\n"
                       "C6 if 0 1p\nC7 resistor 0 1p\nC8 " + "x" * 300 + " 0 1p\nCnode node 0 1p")
    assert len(set(circuit.nodes.names)) == circuit.nodes.count == 10
    assert {"in_2", "n1", "n1_2", "a_b", "a_b_2", "if_2", "resistor", "node_2"} < set(circuit.nodes.names)


def test_elements(tmp_path: Path) -> None:
    circuit = imported(tmp_path, "V1 a 0 DC 2 AC 1 0\nR1 a b 1k\nR2 b 0 r=2k\nRn b 0 -4k\nL1 b c 1n\nC1 b 0 1p ic=0.5\n"
                       "C2 c 0 c=2p\n"
                       "G1 b 0 b 0 1m\nG2 b 0 0 b 1m\nG3 0 c a b 2m\nG4 c 0 cur='v(a)*1m'\nI1 0 c 1u\nC0 b 0 0\nG0 b 0 b 0 0")
    assert names(circuit) == {"r1", "r2", "rn", "l1", "c1", "c2", "g1", "g2", "g3", "g4", "i1"}
    assert value(circuit, "rn.g") == -1 / 4000
    assert value(circuit, "g2.g") == -1e-3
    assert circuit.nodes.initial[circuit.nodes.names.index("b")] == 0.5
    assert [circuit.nodes.names[n] for n in circuit.driven] == ["a"]


def test_alike_laws_are_one_device(tmp_path: Path) -> None:
    cards = "".join(f"B{k} n{k} 0 i={k + 1}m*tanh(v(n{k},n{(k + 1) % 50})/0.5)\nC{k} n{k} 0 1p\n" for k in range(50))
    circuit = imported(tmp_path, cards)
    assert {model.name for model in circuit.models} == {"Capacitor", "B0"}
    assert len(circuit.tables) == 2
    assert sorted(np.concatenate([t.params["k1"] for t in circuit.tables if t.model.name == "B0"])) == [
        float(f"{k + 1}e-3") for k in range(50)]


def test_many_initial_voltages_are_a_column(tmp_path: Path) -> None:
    circuit = imported(tmp_path, "".join(f"C{k} n{k} 0 1p\n.ic v(n{k})={0.01 * k - 0.3}\n" for k in range(100)))
    place = {name: k for k, name in enumerate(circuit.nodes.names)}
    assert all(circuit.nodes.initial[place[f"n{k}"]] == 0.01 * k - 0.3 for k in range(100))


def test_parameters_stay_parameters(tmp_path: Path) -> None:
    circuit = imported(tmp_path, ".param rr={2*base} base=1k\n.subckt s a params: c=1p\nR1 a 0 {rr}\nC1 a 0 {c}\n.ends\n"
                       "X1 a s c=2p\nX2 b s")
    assert [float(c.values[0]) for c in circuit.shared] == [2e-12, 1e-12]
    assert value(circuit, "x1.r1.r") == 2000.0


def test_islands_reach_ground_through_others(tmp_path: Path) -> None:
    circuit = imported(tmp_path, ".subckt s a b\nC1 a m 1\nC2 m b 1\n.ends\nX1 x y s\nX2 y z s\nV1 z 0 1")
    assert circuit.nodes.count == 6


def test_a_subcircuit_alone_is_the_top(tmp_path: Path) -> None:
    circuit = imported(tmp_path, ".subckt inner a\nC1 a 0 1p\n.ends\n.subckt whole a b\nX1 a inner\nR1 a b 1k\nV1 b 0 1\n"
                       ".ic v(a)=1\n.ends")
    assert circuit.name == "whole"
    assert [circuit.nodes.names[n] for n in circuit.ports] == ["a", "b"]
    assert circuit.nodes.initial[1] == 1.0


def test_notes_stand_in_the_program(tmp_path: Path) -> None:
    (tmp_path / "m.cir").write_text("my \x1b[31mtitle\n.options reltol=1e-3\nC1 a 0 1p\n.save v(a)\n.tran 1n 50n uic\n.end\n")
    found = import_netlist(tmp_path / "m.cir")
    text = found.text
    assert found.notes == ("the netlist simulates 5e-08 s: --until 5e-08s", "left out, and kept as comments: .options, .save")
    assert "\x1b" not in text
    assert "--until 5e-08s" in text
    assert text.count("// Left out: ") == 2


# ---- what is refused, where ---------------------------------------------------------------------------------------------

REFUSED = {
    "a transistor": ("M1 a b c d nmos", "KC0530", "M1 a b c d nmos"),
    "a model": (".model d d", "KC0530", ".model"),
    "a command": (".control\nquit\n.endc", "KC0530", ".control"),
    "a temperature coefficient": ("R1 a 0 1k tc1=0.1", "KC0530", "R1 a 0 1k tc1=0.1"),
    "a polynomial": ("E1 a 0 poly(1) b 0 1 2", "KC0531", "E1 a 0 poly(1) b 0 1 2"),
    "no value": ("R1 a 0", "KC0531", "R1 a 0"),
    "a bare parameter": (".param k=1\nR1 a 0 k", "KC0531", "k"),
    "an open brace": ("R1 a 0 {k", "KC0531", "R1 a 0 {k"),
    "no resistance": ("R1 a 0 0", "KC0531", "R1"),
    "a negative capacitance": ("C1 a 0 -1p", "KC0531", "C1"),
    "an em dash": ("R1 a 0 1\u2014k", "KC0531", "\u2014"),
    "a node with a point": ("R1 a.b 0 1k", "KC0531", "a.b"),
    "a line of nothing": ("+ 1k", "KC0531", "+"),
    "ports of another number": (".subckt s a b\nR1 a b 1\n.ends\nX1 n s", "KC0531", "s"),
    "no such function": ("B1 a 0 i=table(v(a),1)", "KC0532", "table"),
    "mil": ("R1 a 0 1mil", "KC0532", "1mil"),
    "a number too large": ("R1 a 0 1e999", "KC0532", "1e999"),
    "an end": ("B1 a 0 i=v(a)*", "KC0532", ""),
    "braces that ngspice drops": (".param k=1\nB1 a 0 i={k+1}*v(a)", "KC0532", "{"),
    "a comparison of comparisons": ("B1 a 0 i=1 < v(a) < 2", "KC0532", "<"),
    "a current": ("B1 a 0 i=i(V1)", "KC0532", "i"),
    "a voltage in a value": ("R1 a 0 {v(a)}", "KC0532", "v"),
    "pwr outside of laws": (".param k={pwr(2,3)}\nC1 a 0 1", "KC0532", "pwr"),
    "an element twice": ("R1 a 0 1\nr1 a 0 1", "KC0533", "r1 a 0 1"),
    "a subcircuit twice": (".subckt s a\nR1 a 0 1\n.ends\n.subckt S b\n.ends", "KC0533", "S"),
    "no end": (".subckt s a\nR1 a 0 1", "KC0533", ".subckt s a"),
    "an end of nothing": (".ends", "KC0533", ".ends"),
    "one in another": (".subckt s a\n.subckt t b\n.ends\n.ends", "KC0533", ".subckt t b"),
    "a parameter twice": (".param k=1 k=2\nC1 a 0 1", "KC0533", "k"),
    "an unknown subcircuit": ("X1 a b nothing", "KC0534", "nothing"),
    "an unknown parameter": ("C1 a 0 {cc}", "KC0534", "cc"),
    "an unknown parameter of a subcircuit": (".subckt s a\nR1 a 0 1\n.ends\nC1 n 0 1p\nX1 n s k=2", "KC0534", "X1 n s k=2"),
    "time": ("C1 a 0 1\nB1 a 0 i=sin(time)", "KC0534", "time"),
    "a node of nowhere": ("C1 a 0 1\n.ic v(b)=1", "KC0534", "b"),
    "a file of another folder": (".include ../x.inc", "KC0534", ".include ../x.inc"),
    "a file that is not there": (".include x.inc", "KC0534", ".include x.inc"),
    "a subcircuit in itself": (".subckt s a\nX1 a s\n.ends\nX1 a s", "KC0535", "X1 a s"),
    "a parameter of itself": (".param a={b} b={c+1} c={a}\nC1 a 0 {a}", "KC0535", "b"),
    "a node without a capacitor": ("R1 a b 1k\nC1 a 0 1p\nR2 b 0 1k", "KC0536", "b"),
    "a node that a law alone reads": ("C1 a 0 1\nB1 a 0 i=v(q)", "KC0536", "q"),
    "a port without a capacitor": (".subckt s a b\nR1 a b 1k\n.ends\nC1 x 0 1\nX1 x y s", "KC0536", "y"),
    "an island of capacitors": ("C1 a b 1\nR1 a b 1k", "KC0536", "a"),
    "an island across subcircuits": (".subckt s a b\nC1 a b 1\n.ends\nX1 x y s\nX2 y z s\nR1 z 0 1k", "KC0536", "x"),
    "an island inside": (".subckt s a\nC1 m n 1\nR1 m a 1\n.ends\nC1 x 0 1\nX1 x s", "KC0536", "m"),
    "a capacitor across one node": ("C1 a a 1\nR1 a 0 1k", "KC0536", "a"),
    "two sources at a node": ("V1 a 0 1\nV2 0 a 1", "KC0537", "V2 0 a 1"),
    "a loop of sources": ("C1 a 0 1\nV1 a b 1\nV2 b c 1\nE1 c a a 0 2", "KC0537", "E1 c a a 0 2"),
    "a voltage of itself": ("C1 a 0 1\nE1 b 0 c 0 2\nE2 c 0 b 0 2\nR1 a b 1", "KC0537", "E1 b 0 c 0 2"),
    "a capacitor at a computed voltage": ("C1 a 0 1\nE1 b 0 a 0 2\nC2 b 0 1", "KC0537", "C2 b 0 1"),
    "a subcircuit at a computed voltage": (".subckt s a\nC1 a 0 1\n.ends\nC1 a 0 1\nE1 b 0 a 0 2\nX1 b s", "KC0537", "X1 b s"),
    "a rise of nothing": ("V1 a 0 PULSE(0 1 0 0 0)\nR1 a 0 1", "KC0538", "0"),
    "no period": ("V1 a 0 PULSE(0 1 0 1n 1n 5n)\nR1 a 0 1", "KC0538", "V1 a 0 PULSE(0 1 0 1n 1n 5n)"),
    "a period too short": ("V1 a 0 PULSE(0 1 0 1n 1n 5n 6n)\nR1 a 0 1", "KC0538", "6n"),
    "no frequency": ("V1 a 0 SIN(0 1)\nR1 a 0 1", "KC0538", "V1 a 0 SIN(0 1)"),
    "a frequency of 0": ("V1 a 0 SIN(0 1 0)\nR1 a 0 1", "KC0538", "0"),
    "times that go back": ("V1 a 0 PWL(0 0 2n 1 1n 0)\nR1 a 0 1", "KC0538", "1n"),
    "pairs": ("V1 a 0 PWL(0 0 2n)\nR1 a 0 1", "KC0538", "V1 a 0 PWL(0 0 2n)"),
    "another waveform": ("V1 a 0 SFFM(0 1 1k 1 1)\nR1 a 0 1", "KC0538", "SFFM"),
    "a repeated one": ("V1 a 0 PWL(0 0 1n 1) r=0\nR1 a 0 1", "KC0538", ")"),
    "an operating point": ("C1 a 0 1\n.tran 1n 1u", "KC0539", ".tran 1n 1u"),
    "a start inside": ("C1 a 0 1\n.ic v(x1.a)=1", "KC0539", "x1.a"),
    "a start between nodes": ("C1 a 0 1\nC2 b 0 1\nC3 a b 1 ic=1", "KC0539", "C3 a b 1 ic=1"),
    "a start of what follows": ("C1 a 0 1\nE1 b 0 a 0 2\nV1 c a 1\nE2 d a b 0 1\nR1 d b 1\n.ic v(d)=1", "KC0539", "d"),
}
"""Cards, the code of the first diagnostic, and the text it stands under."""


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, tmp_path: Path) -> None:
    text, code, under = REFUSED[what]
    found = refused(tmp_path, text)
    assert [d.code for d in found][:1] == [code], found
    assert found[0].span is not None
    assert found[0].span.text == under
    assert found[0].span.source.name == str(tmp_path / "model.cir")


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = refused(tmp_path, "R1 a 0\nQ1 a b c npn\nB1 a 0 i=nothing(2)\nR2 a 0 {1 +}")
    assert [d.code for d in found] == ["KC0531", "KC0530", "KC0532", "KC0532"]
    found = refused(tmp_path, "R1 a b 1k\nR2 c d {x}\nR3 a b {y}")
    assert [d.code for d in found] == ["KC0536", "KC0536", "KC0534", "KC0534"]


def test_a_place_on_a_continued_line(tmp_path: Path) -> None:
    [found] = refused(tmp_path, "B1 a 0\n+ i=v(a)*\n* comment\n+   wrong(v(a))")
    assert found.span is not None
    assert found.span.text == "wrong"
    assert found.span.source.position(found.span.start) == (5, 5)


def test_a_place_in_an_included_file(tmp_path: Path) -> None:
    [found] = refused(tmp_path, ".include 'part.inc'", part="* part\nR1 a 0 x\n")
    assert found.span is not None
    assert found.span.source.name == str(tmp_path / "part.inc")
    assert found.span.source.position(found.span.start) == (2, 8)


# ---- hostile files ------------------------------------------------------------------------------------------------------

def chain(count: int, start: str, step: str, end: str = "") -> str:
    return start + "".join(step.format(k=k, next=k + 1) for k in range(count)) + end


def doubling(levels: int, inside: str = "") -> str:
    return ".subckt l0 a\nR1 a 0 1\n" + inside + ".ends\n" + "".join(
        f".subckt l{k + 1} a\nX1 a l{k}\nX2 a l{k}\n.ends\n" for k in range(levels)) + f"C1 a 0 1\nX1 a l{levels}"


BOMBS: dict[str, tuple[Callable[[], str], set[str]]] = {
    "a million brackets": (lambda: "B1 a 0 i=" + "(" * 10**6, {"KC0532"}),
    "a million pairs": (lambda: "B1 a 0 i=" + "(" * 10**6 + "1" + ")" * 10**6, {"KC0532"}),
    "a million signs": (lambda: "C1 a 0 1\nB1 a 0 i=" + "-" * 10**6 + "1", {"KC0535"}),
    "ten thousand signs": (lambda: "C1 a 0 1\nB1 a 0 i=" + "-" * 10**4 + "1", set()),
    "a million negations": (lambda: "C1 a 0 1\nB1 a 0 i=" + "!" * 10**6 + "1", {"KC0535"}),
    "a million powers": (lambda: "C1 a 0 1\nB1 a 0 i=2" + "^2" * 10**5, {"KC0535"}),
    "a million choices": (lambda: "B1 a 0 i=" + "1?" * 10**6, {"KC0532"}),
    "a million braces": (lambda: "R1 a 0 " + "{" * 10**6, {"KC0531"}),
    "a million quotes": (lambda: "R1 a 0 " + "'" * 10**6, {"KC0531"}),
    "a sum of a hundred thousand": (lambda: "C1 a 0 1\nB1 a 0 i=" + "+".join(["v(a)"] * 100_000), {"KC0535"}),
    "a sum of five thousand": (lambda: "C1 a 0 1\nB1 a 0 i=" + "+".join(f"{k}*v(a)" for k in range(1, 5000)), set()),
    "a law of a thousand nodes": (lambda: "B1 a 0 i=" + "+".join(f"v(n{k})" for k in range(1000)), {"KC0535"}),
    "digits": (lambda: "R1 a 0 " + "9" * 10**6, {"KC0532"}),
    "digits of an exponent": (lambda: "R1 a 0 1e" + "9" * 10**6, {"KC0532"}),
    "digits of a negative exponent": (lambda: "C1 a 0 1\nI1 a 0 1e-" + "9" * 10**6, set()),
    "towers": (lambda: ".param k={9^9^9^9}\nC1 a 0 1\nI1 a 0 {k}", set()),
    "a name of a megabyte": (lambda: "C" + "x" * 10**6 + " a 0 1", set()),
    "an unknown name of a megabyte": (lambda: "X1 a " + "x" * 10**6, {"KC0534"}),
    "a card of a megabyte": (lambda: ".unknown" + "x" * 10**6, {"KC0530"}),
    "a line of continuations": (lambda: "R1 a 0" + "\n+" * 10**5 + " 1\nC1 a 0 1", set()),
    "blanks": (lambda: "R1 a" + " " * 10**6 + "0 1\nC1 a 0 1", set()),
    "a comment": (lambda: "C1 a 0 1 ; " + "x" * 10**6, set()),
    "ten thousand mistakes": (lambda: "nonsense\n" * 10_000, {"KC0530"}),
    "subcircuits in each other": (lambda: ".subckt a p\nX1 p b\n.ends\n.subckt b p\nX1 p a\n.ends\nX1 n a", {"KC0535"}),
    "a long ring": (lambda: chain(1000, "", ".subckt s{k} p\nX1 p s{next}\n.ends\n", ".subckt s1000 p\nX1 p s0\n.ends\nX1 n s0"),
                    {"KC0535"}),
    "thirty doublings": (lambda: doubling(30), {"KC0535"}),
    "doublings of starts": (lambda: doubling(10, ".ic v(a)=1\n"), set()),
    "doublings of sources": (lambda: doubling(20, "V1 a 0 1\n"), {"KC0537"}),
    "parameters of parameters": (lambda: chain(2000, ".param p0=1\n", ".param p{next}={{p{k}+p{k}}}\n",
                                               "C1 a 0 1\nI1 a 0 {p2000}"), set()),
    "a ring of parameters": (lambda: chain(2000, "", ".param p{k}={{p{next}}}\n", ".param p2000={p0}\nC1 a 0 {p1}"), {"KC0535"}),
    "own parameters that double": (lambda: ".subckt s a\n" + chain(60, ".param p0=1\n", ".param p{next}={{p{k}+p{k}}}\n")
                                   + "C1 a 0 1\n.ic v(a)={p60}\n.ends\nX1 n s", {"KC0535"}),
    "voltages that double": (lambda: chain(60, "C0 n0 0 1\n", "E{k} n{next} 0 vol='v(n{k})*v(n{k},0)'\n", "R1 n60 n0 1"),
                             {"KC0535"}),
    "a thousand sources in series": (lambda: chain(1000, "C0 n0 0 1\n", "V{k} n{next} n{k} 1\n", "R1 n1000 0 1"), {"KC0535"}),
    "a thousand ammeters in series": (lambda: chain(1000, "C0 n0 0 1\n", "V{k} n{next} n{k} 0\n", "R1 n1000 0 1"), set()),
    "nothing": (lambda: "", {"KC0530"}),
    "a zero byte": (lambda: "C1 a 0 1\0", {"KC0531"}),
    "zero bytes": (lambda: "\0" * 10_000, {"KC0531"}),
    "escapes": (lambda: "\x1b[31mR1 a 0 1", {"KC0531"}),
    "line ends of other systems": (lambda: "R1 a 0 1k\r\nC1 a 0 1p\r\n", set()),
    "other blanks": (lambda: "R1\u00a0a 0 1", {"KC0531"}),
    "right to left": (lambda: "C1 a 0 1 \u202e", {"KC0531"}),
    "other letters": (lambda: "C\u00e4 a 0 1", {"KC0531"}),
    "letters that grow when folded": (lambda: "C\u0130 a 0 1", {"KC0531"}),
    "a truncated card": (lambda: "V1 a 0 PULSE(0 1", {"KC0538"}),
    "one word": (lambda: "x", {"KC0531"}),
    "punctuation": (lambda: "r ( ) , = ( ) ,", {"KC0531"}),
    "equals": (lambda: "R1 = = = =", {"KC0531"}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_read_in_a_second(name: str, tmp_path: Path) -> None:
    make, wanted = BOMBS[name]
    (tmp_path / "bomb.cir").write_text(f"title\n{make()}\n", encoding="utf-8")
    found: tuple[Diagnostic, ...] = ()
    text = ""
    started = time.process_time()
    try:
        text = import_netlist(tmp_path / "bomb.cir").text
    except kc.CompileError as error:
        found = error.diagnostics
    assert time.process_time() - started < SECONDS
    assert {d.code for d in found} == wanted
    assert all(d.span is not None and d.message.isprintable() for d in found)
    assert len(found) <= MAX_REPORTED
    assert len(str(kc.CompileError(*found))) < 100_000
    assert list(tmp_path.iterdir()) == [tmp_path / "bomb.cir"]
    if text:
        known = {"KC0418", "KC0422"}  # values that are infinite
        assert {d.code for d in kc.check(kc.Source("bomb.kc", text)) if d.severity == "error"} <= known


def test_files_that_include_each_other(tmp_path: Path) -> None:
    assert [d.code for d in refused(tmp_path, ".include a.inc", a="* a\n.include b.inc", b="* b\n.include a.inc")] == ["KC0535"]
    assert [d.code for d in refused(tmp_path, ".include model.cir")] == ["KC0535"]


def test_files_that_include_two_each(tmp_path: Path) -> None:
    others = {f"f{k}": f"* {k}\n.include f{k + 1}.inc\n.include f{k + 1}.inc\n" for k in range(30)}
    started = time.process_time()
    assert [d.code for d in refused(tmp_path, ".include f0.inc", **others, f30="* end\n")] == ["KC0535"]
    assert time.process_time() - started < SECONDS


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.inc").write_text("R1 a 0 1k\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.inc").symlink_to(tmp_path / "outside" / "x.inc")
    assert [d.code for d in refused(tmp_path / "in", ".include x.inc")] == ["KC0534"]


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "m.cir").write_bytes(b"title\n\xff\xfe R1")
    with pytest.raises(kc.UsageError) as caught:
        import_netlist(tmp_path / "m.cir")
    assert caught.value.diagnostics[0].code == "KC0501"
    with pytest.raises(kc.UsageError):
        import_netlist(tmp_path / "nothing.cir")
    (tmp_path / "part.inc").write_bytes(b"\xff")
    assert [d.code for d in refused(tmp_path, ".include part.inc")] == ["KC0534"]


def test_a_hundred_thousand_cards_take_linear_time(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        (tmp_path / "m.cir").write_text("title\n" + "".join(
            f"R{k} n{k} n{k + 1} {k % 7 + 1}k\nC{k} n{k + 1} 0 1p\n" for k in range(count // 2)) + "V1 n0 0 1\n")
        started = time.process_time()
        import_netlist(tmp_path / "m.cir")
        return time.process_time() - started

    few, many = seconds(10_000), seconds(100_000)
    assert many < 5.0
    assert many < 20 * few
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20
