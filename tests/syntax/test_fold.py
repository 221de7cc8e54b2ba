"""Folded statements mean what the same statements mean apart: every template is compiled both ways."""

from __future__ import annotations

import re

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit
from kcompile.syntax.fold import SHORTEST_RUN, fold

UNNAMED = re.compile(r"(Law|Resistor|CurrentSource|Sub|Chain)\[.*")
COUNT = SHORTEST_RUN + 8
HEAD = """use std.passive: Resistor, Capacitor;
use std.sources: CurrentSource;
device Law(p, n) {
    param k: conductance = 0 S in [-100 S, 100 S] trainable;
    param th: voltage = 0 V;
    param z: real = 1;
    I(p, n) <+ k * z * (V(p, n) - th);
}
circuit Sub(p) {
    param n: integer = 2 in [1, 100];
    param r: resistance = 1 Ohm;
    node m;
    Capacitor(m, gnd) { c = 1 F };
    Resistor(p, m) { r = r * n };
}
circuit Chain(p) {
    param n: integer = 2 in [1, 100];
    node m[n];
    Capacitor(k, gnd) { c = 1 F } for k in m;
    Resistor(p, m[n - 1]);
}
circuit T {
    node a[100], g[10, 10];
    param w[100]: conductance = 1 S trainable;
    param off: integer = 1;
    Capacitor(n, gnd) { c = 1 F } for n in a + g;
"""


def program(lines: list[str]) -> kc.Source:
    return kc.Source("t.kc", HEAD + "".join(f"    {line}\n" for line in lines) + "}\n")


def rows(circuit: Circuit) -> list[tuple[object, ...]]:
    """One row per instance, in order of its statements: name, law, nodes, values, ties, fixed."""
    found = []
    for table in circuit.tables:
        for k in range(table.count):
            values = {name: float(column[k]) for name, column in table.params.items()}
            ties = {name: (tie.shared, int(tie.index[k])) for name, tie in table.ties.items()}
            waves = {name: (wave.kind, *map(float, wave.arguments[k])) for name, wave in table.waves.items()}
            found.append((table.name(k), waves, table.model.name, tuple(map(int, table.nodes[k])), values, ties, table.fixed))
    return found


TEMPLATES = {
    "values": "Law(a[0], a[1]) {{ k = {k} S }};",
    "fractions": "Law(a[{k}], gnd) {{ k = {k}.{k} S, th = 1.{k}e-3 V }};",
    "prefixes": "Resistor(a[{k}], gnd) {{ r = {k1}.1 kOhm }};",
    "exponents": "Law(a[0], gnd) {{ th = 1e-{k} V, z = 2E+{k} }};",
    "nodes": "Law(a[{k}], a[{k1}]);",
    "two dimensions": "Law(g[{mod}, 3], g[2, {mod}]) {{ k = 1 S }};",
    "negative values": "Law(a[0], a[1]) {{ k = -{k} S, th = -{k1} mV }};",
    "negative after a bracket": "Law(a[0], a[1]) {{k=-{k} S,th=(-{k1} mV)}};",
    "mixed signs": "Law(a[0], a[1]) {{ k = {sign}{k} S }};",
    "differences": "Law(a[{k1} - 1], a[0]) {{ k = 1 S - {k} mS }};",
    "difference to a negative": "Law(a[0], a[1]) {{ k = 1 S - -{k} mS }};",
    "products": "Law(a[0], a[1]) {{ k = 2 * {k} S / 3 }};",
    "sums with constants": "Law(a[{k} + off], a[0]) {{ k = {k} S + 1 mS }};",
    "labels": "Law w{k}(a[0], a[1]) {{ k = {k} S }};",
    "indexed labels": "Law w[{k}](a[0], a[1]) {{ k = {k} S }};",
    "two indices": "Law w[{k}, {mod}](a[0], a[1]) {{ k = {k} S }};",
    "names with two numerals": "Law w{k}x{k1}y(a[0], a[1]);",
    "ties": "Law(a[0], a[1]) {{ k = w[{k}] }};",
    "fixed": "Law(a[0], a[1]) {{ fixed k = {k} S }};",
    "calls": "Law(a[0], a[1]) {{ z = min({k}, 5, {k1}) + abs(-{k}) }};",
    "constant columns": "Law(a[7], a[8]) {{ k = 3 S, th = {k} V }};",
    "nought without a unit": "Law(a[{k}], gnd) {{ th = 0 }};",
    "minus nought": "Law(a[{k}], gnd) {{ th = -0 }};",
    "a choice": "Law(a[0], a[1]) {{ z = if({k} < 9, 1, -{k1}) }};",
    "constant waveforms": "CurrentSource(a[0], gnd) {{ i = dc({k} mA) }};",
    "pulses": "CurrentSource(a[{k}], gnd) {{ i = pulse(0 A, -{k} A, delay = {k} s, rise = 1 ms, width = 1{k} s) }};",
    "corners": "CurrentSource(a[{k}], gnd) {{ i = pwl(0 s, -{k} A, {k1} s, 1 A) }};",
    "circuits": "Sub s{k}(a[{k}]) {{ n = {k1}, r = {k1} kOhm }};",
    "circuits without a name": "Sub(a[{k}]);",
    "circuits of other sizes": "Chain s{k}(a[{k}]) {{ n = {k1} }};",
    "no assignments": "Law(a[{k}], gnd);",
    "empty assignments": "Law(a[{k}], gnd) {{}};",
    "trailing comma": "Law(a[{k}], gnd) {{ k = {k} S, }};",
    "blanks": "Law   (a[ {k} ],gnd)   {{ k   =  {k}   S }}  ;   ",
}


def lines_of(template: str) -> list[str]:
    return [template.format(k=k, k1=k + 1, mod=k % 10, sign="-" if k % 2 else "") for k in range(COUNT)]


def compiled(lines: list[str]) -> list[tuple[object, ...]]:
    return rows(kc.compile(program(lines), top="T"))


def codes(lines: list[str]) -> set[str]:
    return {d.code for d in kc.check(program(lines), top="T")}


def without_counter(found: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Rows without the numbers of unnamed banks, which are counted per statement, and in an order that folding keeps."""
    return sorted(((UNNAMED.sub("", str(row[0])), *row[1:]) for row in found), key=repr)


@pytest.mark.parametrize("name", TEMPLATES)
def test_folded_and_separate_statements_are_one_circuit(name: str) -> None:
    lines = lines_of(TEMPLATES[name])
    separate = [line + f" // {'x' * (k % 2)}" for k, line in enumerate(lines)]
    folded_text = program(lines).text
    assert fold(program(separate).text)[1] == ()
    # Mixed signs and single- against double-digit lines never stop a run: all of it is one.
    [run] = fold(folded_text)[1] or [None]
    assert run is not None
    assert run.count == COUNT
    assert codes(lines) == codes(separate)
    if not codes(lines):
        assert without_counter(compiled(lines)) == without_counter(compiled(separate))


def test_nodes_with_numbered_names_fold() -> None:
    declared = f"node {', '.join(f'q{k}' for k in range(COUNT + 1))};"
    caps = [f"Capacitor(q{k}, gnd) {{ c = {k + 1} F }};" for k in range(COUNT + 1)]
    lines = [f"Law(q{k}, q{k + 1}) {{ k = {k} S }};" for k in range(COUNT)]
    folded = compiled([declared, *caps, *lines])
    separate = compiled([declared, *(line + " // c" for line in (*caps, *lines))])
    assert [row[1:] for row in folded] == [row[1:] for row in separate]


def test_inside_a_phase() -> None:
    lines = lines_of(TEMPLATES["negative values"])
    folded = compiled(["phase p for 1 s {", *lines, "}"])
    separate = compiled(["phase p for 1 s {", *(line + " //" for line in lines), "}"])
    assert without_counter(folded) == without_counter(separate)


def test_columns_keep_every_text_and_place() -> None:
    lines = lines_of(TEMPLATES["negative values"])
    text = "\n".join(lines)
    folded, [run] = fold(text)
    assert len(folded) == len(text)
    assert folded.count("\n") == text.count("\n")
    assert [text[a:b] for a, b in run.places] == ["0", "1", "-0", "-1"]
    assert list(run.columns[2]) == [f"-{k}" for k in range(COUNT)]
    for k, (start, stop) in enumerate(zip(run.starts, run.stops, strict=True)):
        assert text[start:stop] == lines[k]


def test_short_runs_and_other_statements_stay() -> None:
    short = "\n".join(lines_of(TEMPLATES["values"])[: SHORTEST_RUN - 1])
    assert fold(short + "\n" * SHORTEST_RUN) == (short + "\n" * SHORTEST_RUN, ())
    loops = "\n".join(f"Law(a[k], gnd) {{ k = {k} S }} for k in 0..{k};" for k in range(COUNT))
    assert fold(loops) == (loops, ())
    powers = "\n".join(f"Law(a[0], a[1]) {{ z = pow (2, {k}) }};" for k in range(COUNT))
    assert fold(powers) == (powers, ())
    drives = "\n".join(f"drive a[{k}] = dc({k} V);" for k in range(COUNT))
    assert fold(drives) == (drives, ())


@pytest.mark.parametrize("line", [
    "Z{k}(a[0]);", "Law(a[0], a[1]) {{ k = q{k} }};", "Z(a[0]) {{ p{k} = 1 }};", "Law(h{k}[1], a[1]);", "Law(h{k} [1], a[1]);",
    "Law(a[0], a[1]) {{ k = v{k}[1] }};", "Law(a[q{k}], a[1]);", "Law w[q{k}](a[0], a[1]);", "  Z{k} w{k}(a[0]);",
    "Law(a[0], a[1]) {{ k = min(q{k}, 1 S) }};"])
def test_runs_that_differ_in_other_names_are_read_one_by_one(line: str) -> None:
    """A run has one device, bank, parameter and constant; folded, every row took those of the first line."""
    text = "\n".join(lines_of(line))
    assert fold(text) == (text, ())


@pytest.mark.parametrize("line", [
    "ShiftRelu1(a[{k}], a[1]) {{ p0 = 1 V, p1 = {k} S }};", "Law w{k}[0](a[0], a[1]);", "Law(q{k}, h2[1]) {{ k = v3[1] }};"])
def test_names_with_one_numeral_in_all_rows_fold(line: str) -> None:
    [run] = fold("\n".join(lines_of(line)))[1]
    assert run.count == COUNT


@pytest.mark.parametrize(("line", "code", "row"), [
    ("Law(a[{k}0], gnd);", "KC0403", 10),
    ("Resistor(a[{k}], gnd) {{ r = -{k} Ohm }};", "KC0405", 0),
    ("Law(a[0], a[1]) {{ k = {k}0 S }};", "KC0405", 11),
])
def test_a_mistake_in_a_folded_row_is_located(line: str, code: str, row: int) -> None:
    [diagnostic] = kc.check(program([line.format(k=k) for k in range(COUNT)]))
    assert diagnostic.code == code
    assert diagnostic.span is not None
    assert HEAD.count("\n") < diagnostic.span.source.position(diagnostic.span.start)[0] <= HEAD.count("\n") + COUNT


def test_one_name_given_twice_in_a_run_is_an_error() -> None:
    found = kc.check(program([f"Law w{k % 20}(a[0], a[1]);" for k in range(COUNT)]))
    assert {d.code for d in found} == {"KC0202"}


def test_a_hundred_thousand_rows_stay_columns() -> None:
    text = "".join(f"Law(a[{k % 100}], gnd) {{ k = {k % 90} S }};\n" for k in range(100_000))
    _, [run] = fold(text)
    assert run.count == 100_000
    assert np.all(np.diff(run.starts) > 0)
