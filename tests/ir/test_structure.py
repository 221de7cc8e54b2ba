"""Capacitances against a dense matrix, and nodes whose voltage nothing determines, each told once at its declaration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit
from kcompile.ir.expr import symbol
from kcompile.ir.structure import capacitances, grounded

HEAD = """use std.passive: Resistor, Capacitor, Conductance;
device Trans(p, n) { param c: capacitance = 0 F; param g: conductance = 1 S; I(p, n) <+ g * V(p, n) + ddt(c * V(p, n)); }
device Three(a, b, c) { param k: real = 1;
    I(a, b) <+ ddt(2 * k * V(a, b) * 1 F) - ddt(1 F * V(b, a)); I(c) <+ ddt(V(c) * 3 F); I(gnd, b) <+ -ddt(0.5 F * V(b)); }
"""


def compiled(body: str, head: str = "") -> Circuit:
    return kc.compile(kc.Source("t.kc", f"{HEAD}{head}circuit T {{ {body} }}"), top="T")


def mistakes(body: str, ports: str = "", head: str = "", library: bool = False) -> list[tuple[str, str, str]]:
    """(code, text under the caret, node it names) of every mistake."""
    text = f"{HEAD}{head}circuit T{ports} {{ {body} }}" + "\ncircuit Other { node o; Capacitor(o, gnd); }" * library
    found = kc.check(kc.Source("t.kc", text), top=None if library else "T")
    return [(d.code, d.span.text if d.span else "", d.message.split("`")[1]) for d in found]


# ---- the matrix -------------------------------------------------------------------------------------------------------


def matrix(circuit: Circuit) -> np.ndarray:
    """Capacitance matrix of a circuit's own list, ground included, in farad."""
    caps = capacitances(circuit)
    dense = np.zeros((circuit.nodes.count, circuit.nodes.count))
    for a, b, c in zip(caps.start, caps.stop, caps.value, strict=True):
        dense[a, a] += c
        dense[b, b] += c
        dense[a, b] -= c
        dense[b, a] -= c
    return dense


def stamp(dense: np.ndarray, a: int, b: int, c: float) -> None:
    """The oracle's stamp: charge c (v_a - v_b) leaves a and enters b."""
    across = np.zeros(len(dense))
    across[a] += 1.0
    across[b] -= 1.0
    dense += c * np.outer(across, across)


@pytest.mark.parametrize("seed", range(20))
def test_capacitances_are_the_stamps_of_a_dense_matrix(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    wanted = np.zeros((n + 1, n + 1))
    lines = [f"Capacitor(x[k], gnd) {{ c = 1 mF * (k + 1) }} for k in 0..{n};"]
    for k in range(n):
        stamp(wanted, k + 1, 0, 1e-3 * (k + 1))

    def name(node: int) -> str:
        return f"x[{node - 1}]" if node else "gnd"

    for _ in range(int(rng.integers(1, 12))):
        a, b, d = (int(k) for k in rng.integers(0, n + 1, 3))
        c = float(rng.integers(1, 100))
        match rng.integers(3):
            case 0:
                lines.append(f"Capacitor({name(a)}, {name(b)}) {{ c = {c} F }};")
                stamp(wanted, a, b, c)
            case 1:
                lines.append(f"Trans({name(a)}, {name(b)}) {{ c = {c} F }};")
                stamp(wanted, a, b, c)
            case 2:
                lines.append(f"Three({name(a)}, {name(b)}, {name(d)}) {{ k = {c} }};")
                stamp(wanted, a, b, 2 * c + 1)
                stamp(wanted, d, 0, 3.0)
                stamp(wanted, 0, b, 0.5)
    circuit = compiled(f"node x[{n}]; " + "\n".join(lines))
    np.testing.assert_allclose(matrix(circuit), wanted, rtol=1e-14, atol=1e-14)
    total = grounded(circuit, capacitances(circuit))
    np.testing.assert_allclose(total[1:], np.diag(wanted)[1:], rtol=1e-14, atol=1e-14)
    np.linalg.cholesky(matrix(circuit)[1:, 1:])  # raises where it is not positive definite


def test_each_capacitor_knows_its_bank_and_row() -> None:
    circuit = compiled("""node x[3]; Capacitor a(n, gnd) for n in x; Resistor(x[0], x[1]);
        Capacitor b(x[k], x[k + 1]) for k in 0..2;""")
    caps = capacitances(circuit)
    assert list(zip(caps.table, caps.row, strict=True)) == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]


def test_coefficients_read_parameters_and_constants() -> None:
    head = """const c0 = 3 pF;
        device Q(p) { param w: length = 2 m; param k: F/m = 5 pF/m; 
            I(p) <+ ddt((w * k + max(c0, 1 pF)) * V(p)) - 1 A * V(p) / 1 V; }\n"""
    circuit = compiled("node x[2]; Q(x[k]) { w = 1 m * (k + 1) } for k in 0..2;", head)
    np.testing.assert_allclose(capacitances(circuit).value, [8e-12, 13e-12])


@pytest.mark.parametrize(("law", "sign"), [
    ("I(p, n) <+ ddt(c * V(p, n));", 1), ("I(p, n) <+ -ddt(c * V(p, n));", -1), ("I(p, n) <+ ddt(c * V(n, p));", -1),
    ("I(p, n) <+ 1 A - ddt(c * V(n, p));", 1), ("I(n, p) <+ ddt(c * -V(n, p));", -1), ("I(p) <+ ddt(V(p) * c);", 1),
    ("I(gnd, p) <+ -ddt(c * V(p));", 1), ("I(gnd, p) <+ ddt(c * V(p));", -1), ("I(p, gnd) <+ ddt(-c * V(gnd, p));", 1)])
def test_the_sign_of_a_charge_follows_its_current_and_its_voltage(law: str, sign: int) -> None:
    head = f"device S(p, n) {{ param c: capacitance = 2 F; {law} }}\n"
    body = "node x, y; Capacitor(n, gnd) for n in x + y; S(x, y) {{ c = {} F }};"
    assert [code for code, _, _ in mistakes(body.format(-2 * sign), head=head)] == ["KC0419"]
    circuit = compiled(body.format(2 * sign), head)
    assert list(capacitances(circuit).value[2:]) == [2.0]
    [branch] = circuit.tables[1].model.law.capacitances  # the simulator's own reading
    assert float(branch.value.subs(symbol("c"), 2 * sign)) == 2.0


# ---- what is not determined -------------------------------------------------------------------------------------------

ISLAND = "Capacitor(x[0], x[1]); Capacitor(x[1], x[2]);"

CASES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "a lone node": ("node a;", [("KC0407", "a", "a")]),
    "only a resistor": ("node a; Resistor(a, gnd);", [("KC0407", "a", "a")]),
    "a bank, told once": ("node x[3]; Resistor(n, gnd) for n in x;", [("KC0407", "x", "x[0]")]),
    "one of a bank": ("node x[3]; Capacitor(x[k], gnd) for k in 0..2;", [("KC0407", "x", "x[2]")]),
    "nodes of two dimensions": ("node x[2, 2]; Capacitor(x[0, k], gnd) for k in 0..2;", [("KC0407", "x", "x[1,0]")]),
    "two banks": ("node x[2], y; Capacitor(x[0], gnd); Resistor(y, gnd);", [("KC0407", "x", "x[1]"), ("KC0407", "y", "y")]),
    "a capacitor from a node to itself": ("node a; Capacitor(a, a);", [("KC0407", "a", "a")]),
    "a capacitance of nought": ("node a; Trans(a, gnd) { c = 0 F };", [("KC0407", "a", "a")]),
    "driven needs none": ("node a; drive a = dc(1 V);", []),
    "a chain to ground": (f"node x[3]; {ISLAND} Capacitor(x[2], gnd);", []),
    "a chain to a driven node": (f"node x[3], d; drive d = dc(1 V); {ISLAND} Capacitor(x[0], d);", []),
    "a chain that hangs": (f"node x[3]; {ISLAND}", [("KC0408", "x", "x[0]")]),
    "a chain that only a resistor holds": (f"node x[3]; {ISLAND} Resistor(x[0], gnd);", [("KC0408", "x", "x[0]")]),
    "a ring of capacitors": ("node x[4]; Capacitor(x[k], x[(k + 1) % 4]) for k in 0..4;", [("KC0408", "x", "x[0]")]),
    "two islands and one that stands": (
        "node x[2], y[2], z[2]; Capacitor(x[0], x[1]); Capacitor(y[0], y[1]); Capacitor(z[0], z[1]); Capacitor(z[0], gnd);",
        [("KC0408", "x", "x[0]"), ("KC0408", "y", "y[0]")]),
    "an island of two banks": ("node x, y; Capacitor(x, y);", [("KC0408", "x", "x"), ("KC0408", "y", "y")]),
    "an island across a charge of nought": ("node x, y; Capacitor(x, y); Trans(x, gnd) { c = 0 F };",
                                            [("KC0408", "x", "x"), ("KC0408", "y", "y")]),
    "a loop of capacitors and driven nodes": (
        "node a, b, x; drive a = dc(1 V); drive b = dc(2 V); Capacitor(a, b); Capacitor(a, x); Capacitor(x, b);", []),
    "capacitors in parallel and in a ring with ground": (
        "node x[3]; Capacitor(n, gnd) for n in x; Capacitor(x[k], x[(k + 1) % 3]) for k in 0..3, i in 0..2;", []),
    "a negative capacitance": ("node a; Capacitor(a, gnd); Trans t(a, gnd) { c = -1 pF };",
                               [("KC0419", "Trans t(a, gnd) { c = -1 pF", "t")]),
    "a negative one in a bank": (
        "node x[3]; Capacitor(n, gnd) for n in x; Trans t(x[k], gnd) { c = 1 pF * (1 - k) } for k in 0..3;",
                                 [("KC0419", "Trans t(x[k], gnd) { c = 1 pF * (1 - k", "t[2]")]),
    "a missing one and an island": ("node a, x, y; Capacitor(x, y);",
                                    [("KC0407", "a", "a"), ("KC0408", "x", "x"), ("KC0408", "y", "y")]),
    "nodes used in a phase only": ("node a, b; Capacitor(a, gnd); phase p for 1 s { Resistor(a, b); }", [("KC0407", "b", "b")]),
    "in every phase": ("node a, b; Capacitor(a, gnd); phase p for 1 s { Resistor(a, b); } phase q for 1 s { Resistor(b, gnd); }",
                       [("KC0407", "b", "b")]),
    "a device with charge in a phase": (
        "node a; Capacitor(a, gnd); phase p for 1 s { Trans(a, gnd); }", [("KC0411", "Trans", "Trans")]),
    "a rail is no capacitor": ("node a rail [-1 V, 1 V];", [("KC0407", "a", "a")]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_determined_is_told_at_its_declaration(name: str) -> None:
    body, wanted = CASES[name]
    found = mistakes(body)
    assert [(code, node) for code, _, node in found] == [(code, node) for code, _, node in wanted]
    assert [under.rstrip(" };") for _, under, _ in found] == [under.rstrip(" };") for _, under, _ in wanted]


def test_nodes_of_copies_are_told_at_the_declaration_of_the_circuit() -> None:
    head = "circuit P(a) { node m[2], k; Capacitor(k, m[1]); Resistor(a, m[0]); }\n"
    body = "node x; Capacitor(x, gnd); P s[i](x) for i in 0..3;"
    assert mistakes(body, head=head) == [("KC0407", "m", "s[0].m[0]"), ("KC0408", "m", "s[0].m[1]"), ("KC0408", "k", "s[0].k")]


def test_ports_of_a_library_may_get_their_capacitor_elsewhere() -> None:
    assert mistakes("Resistor(a, b);", ports="(a, b)", library=True) == []
    assert mistakes("Resistor(a, b); Capacitor(b, a);", ports="(a, b)", library=True) == []
    assert mistakes("Resistor(a, b);", ports="(a, b)") == [("KC0407", "a", "a"), ("KC0407", "b", "b")]
    assert mistakes("node m; Resistor(a, m);", ports="(a, b)", library=True) == [("KC0407", "m", "m")]


def test_a_message_says_how_many_and_what_to_add() -> None:
    [diagnostic] = kc.check(kc.Source("t.kc", HEAD + "circuit T { node x[20, 20]; Resistor(n, gnd) for n in x; }"))
    assert "`x[0,0]` (and 399 more of its bank)" in diagnostic.message
    assert "Capacitor(x[0,0], gnd)" in diagnostic.hint and "drive x[0,0]" in diagnostic.hint


@pytest.mark.parametrize("seed", range(30))
def test_a_circuit_is_taken_exactly_when_its_matrix_is_regular(seed: int) -> None:
    """Random capacitors, some nodes driven: taken if and only if the matrix of the free nodes has full rank."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    driven = [k for k in range(1, n + 1) if rng.random() < 0.2]
    pairs = rng.integers(0, n + 1, (int(rng.integers(1, 2 * n)), 2))
    lines = [f"drive x[{k - 1}] = dc(1 V);" for k in driven]
    dense = np.zeros((n + 1, n + 1))
    for a, b in pairs:
        ends = ", ".join(f"x[{k - 1}]" if k else "gnd" for k in (a, b))
        lines.append(f"Capacitor({ends}) {{ c = 1 F }};")
        stamp(dense, int(a), int(b), 1.0)
    free = [k for k in range(1, n + 1) if k not in driven]
    regular = not free or np.linalg.matrix_rank(dense[np.ix_(free, free)]) == len(free)
    assert (mistakes(f"node x[{n}]; " + " ".join(lines)) == []) == regular


def test_a_folded_line_of_many_is_the_place_of_a_negative_capacitance(tmp_path: Path) -> None:
    lines = "".join(f"    Trans(x[{k}], gnd) {{ c = {'-' if k == 17 else ''}{k + 1} pF }};\n" for k in range(40))
    text = f"{HEAD}circuit T {{\n    node x[40];\n    Capacitor(n, gnd) for n in x;\n{lines}}}\n"
    [diagnostic] = kc.check(kc.Source("t.kc", text))
    assert diagnostic.code == "KC0419"
    assert diagnostic.span is not None and diagnostic.span.text == "Trans(x[17], gnd) { c = -18 pF }"
