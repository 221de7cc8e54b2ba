"""Elaboration against an oracle that knows no arrays: nested loops of Python over names, statement by statement."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit

PROGRAMS = Path(__file__).parent.parent / "golden" / "ir"
PASSIVE = "use std.passive: Resistor, Capacitor, Conductance;\nuse std.compute: Transconductor;\n"

Row = tuple[str, str, str | None, tuple[str, ...], tuple[tuple[str, float], ...], tuple[tuple[str, str, int], ...]]


@dataclass
class Flat:
    """What the oracle says of a circuit, all by name, in order of the statements."""

    nodes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    initial: dict[str, float] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    driven: list[str] = field(default_factory=list)

    def add(self, name: str, model: str, nodes: str, phase: str | None = None, ties: dict[str, tuple[str, int]] | None = None,
            **values: float) -> None:
        """One instance; `nodes` are separated by blanks."""
        self.rows.append((name, model, phase, tuple(nodes.split()), tuple(sorted(values.items())),
                          tuple(sorted((k, *v) for k, v in (ties or {}).items()))))


def flatten(circuit: Circuit) -> Flat:
    """The same of a compiled circuit."""
    found = Flat(list(circuit.nodes.names[1:]))
    names = circuit.nodes.names
    for table in circuit.tables:
        phase = None if table.phase is None else circuit.phases[table.phase].name
        for k in range(table.count):
            found.add(table.name(k), table.model.name, " ".join(names[n] for n in table.nodes[k]), phase,
                      {name: (tie.shared, int(tie.index[k])) for name, tie in table.ties.items()},
                      **{name: float(column[k]) for name, column in table.params.items()})
    found.initial = {names[k]: float(v) for k, v in enumerate(circuit.nodes.initial) if v != 0.0}
    for word in ("inputs", "outputs", "driven"):
        setattr(found, word, [names[n] for n in getattr(circuit, word)])
    return found


def bank(name: str, *extents: int) -> list[str]:
    """Names of the nodes of a bank, the last subscript the fastest."""
    return [f"{name}[{','.join(map(str, index))}]" for index in itertools.product(*map(range, extents))] if extents else [name]


# ---- the programs of the design ---------------------------------------------------------------------------------------


def low_pass() -> Flat:
    flat = Flat(["vin", "vout"], outputs=["vout"], driven=["vin"])
    flat.add("R1", "Resistor", "vin vout", r=10e3)
    flat.add("C1", "Capacitor", "vout gnd", c=1e-12)
    return flat


def lc_line() -> Flat:
    flat = Flat(["vin", *bank("a", 10)], outputs=bank("a", 10), driven=["vin"])
    flat.add("Resistor[0]", "Resistor", "vin a[0]", r=1.0)
    for k in range(10):
        flat.add(f"Capacitor[0][{k}]", "Capacitor", f"a[{k}] gnd", c=1e-9)
    for k in range(9):
        flat.add(f"Inductor[0][{k}]", "Inductor", f"a[{k}] a[{k + 1}]", l=1e-9)
    flat.add("Resistor[1]", "Resistor", "a[9] gnd", r=1.0)
    return flat


def two_moons() -> Flat:
    x, h, y = bank("x", 2), bank("h", 6), bank("y", 2)
    flat = Flat(x + h + y, inputs=x, outputs=y)
    for k, n in enumerate(x + h + y):
        flat.add(f"Capacitor[0][{k}]", "Capacitor", f"{n} gnd", c=1.0)
    statements = [("mix", 0, [f"{a} {b}" for a in x + h + y for b in x + h + y if a != b]),
                  ("mix", 1, [f"{a} gnd" for a in x + h + y]), ("read", 0, [f"{a} {b}" for a in x + h for b in y]),
                  ("read", 1, [f"{a} gnd" for a in y])]
    for phase, counter, pairs in statements:
        for k, pair in enumerate(pairs):
            flat.add(f"{phase}.ShiftRelu[{counter}][{k}]", "ShiftRelu", pair, phase, k=0.0, th=0.0)
    return flat


def mnist() -> Flat:
    n, m = 5, 11
    x, y = bank("x", n, n), bank("y", m)
    flat = Flat(x + y, inputs=x, outputs=y[1:])
    for k, v in enumerate(x + y):
        flat.add(f"Capacitor[0][{k}]", "Capacitor", f"{v} gnd", c=1.0)
    windows = [f"x[{r + i},{c + j}] x[{r + p},{c + q}]" for r in range(n - 3) for c in range(n - 3) for i in range(4)
               for j in range(4) for p in range(4) for q in range(4) if (i, j) != (p, q)]
    pairs = [windows, [f"{a} gnd" for a in x], [f"{a} {b}" for a in x for b in y], [f"gnd {b}" for b in y]]
    for counter, ends in enumerate(pairs):
        for k, pair in enumerate(ends):
            flat.add(f"one.ShiftRelu[{counter}][{k}]", "ShiftRelu", pair, "one", k=0.0, th=0.0)
    return flat


def cellular() -> Flat:
    x, u = bank("x", 5, 4), bank("u", 5, 4)
    flat = Flat(x + u, inputs=u, outputs=x)
    for k, n in enumerate(x + u):
        flat.add(f"Capacitor[0][{k}]", "Capacitor", f"{n} gnd", c=1.0)
    for k, n in enumerate(x):
        flat.add(f"Resistor[0][{k}]", "Resistor", f"{n} gnd", r=1.0)
    k = 0
    for r, c, i, j in itertools.product(range(5), range(4), range(3), range(3)):
        if r + i - 1 in (0, 1, 2, 3, 4) and c + j - 1 in (0, 1, 2, 3):
            flat.add(f"Transconductor[0][{k}]", "Transconductor", f"u[{r + i - 1},{c + j - 1}] x[{r},{c}]",
                     ties={"gm": ("w", 3 * i + j)}, gm=0.0)
            k += 1
    return flat


def ring() -> Flat:
    flat = Flat(bank("n", 8))
    for k in range(8):
        flat.add(f"Store[0][{k}]", "Store", f"n[{k}]", c=10e-9)
    for instance, (a, b) in enumerate([(0, 1), (1, 0)]):
        for k in range(8):
            ends = (k, (k + 1) % 8)
            flat.add(f"cell[{k}].ShiftRelu[{instance}]", "ShiftRelu", f"n[{ends[a]}] n[{ends[b]}]", k=0.0, th=0.0)
    flat.add("ShiftTanh[0]", "ShiftTanh", "n[0] n[4]", i0=0.0, th=0.0, v0=1.0)
    return flat


# ---- lists, hierarchy, phases -----------------------------------------------------------------------------------------


def lists() -> Flat:
    b = bank("b", 5)
    slab = [f"x[2,{j},1]" for j in range(3)]
    mixed = ["gnd", *slab, "z", *b[1:4]]
    twice = mixed + b
    flat = Flat([*bank("x", 3, 4, 2), "z", *b], inputs=[*b[3:], "z", "x[0,0,0]", "x[0,0,1]"],
                outputs=[*twice[1:3], "z", "b[4]", "x[2,3,0]", "x[2,3,1]"])
    for k, n in enumerate(flat.nodes):
        flat.add(f"Capacitor[0][{k}]", "Capacitor", f"{n} gnd", c=1e-9)
    for k, n in enumerate(n for n in mixed if n not in ("gnd", "b[0]")):
        flat.add(f"all[{k}]", "Resistor", f"{n} b[0]", r=1e3)
    for at, k in enumerate(k for k in range(9) if k % 3 != 1 and k != 6):
        flat.add(f"pick[{at}]", "Resistor", f"{twice[k]} {twice[k + 1]}", r=1.0 + k)
    at = 0
    for i in range(3):
        for j in range(i, 3):
            flat.add(f"triangle[{at}]", "Resistor", f"x[{i},{j},0] x[{j % 3},{i},1]", r=1e3 / (1 + i + j))
            at += 1
    for k in range(5):
        flat.add(f"down[{k}]", "Resistor", f"b[{k}] b[{4 - k}]", r=1.0 if k < 2 else 2.0)
    flat.add("once", "Resistor", "b[1] z", r=1e3)
    for i, j in itertools.product(range(3), range(4)):
        if (i + j) % 2 == 0:
            flat.initial[f"x[{i},{j},1]"] = 0.1 * (i * 4 + j)
    flat.initial.update(dict.fromkeys(slab, 7.0))
    flat.initial.update({f"b[{k}]": float(k) for k in range(5)})
    flat.initial.update({"b[2]": -1.0, "b[3]": -1.0})
    flat.initial = {name: value for name, value in flat.initial.items() if value}
    return flat


def hierarchy() -> Flat:
    """Recursion as one would write it: every copy by itself. The order of rows is that of the copies, not of banks."""
    flat = Flat()

    def leaf(path: str, a: str, g: tuple[str, int, tuple[float, float]], n: int, r: float) -> None:
        shared, offset, values = g
        own = [f"{path}.{name}" for name in bank("own", 3)]
        flat.nodes += [f"{path}.y", *own]
        flat.add(f"{path}.C", "Capacitor", f"{path}.y gnd", c=1e-9 * n)
        for k in range(3):
            flat.add(f"{path}.Capacitor[0][{k}]", "Capacitor", f"{own[k]} gnd", c=1e-12)
        for k in range(n):
            flat.add(f"{path}.t[{k}]", "Transconductor", f"{a} {own[k]}", ties={"gm": (shared, offset + k % 2)}, gm=values[k % 2])
            flat.add(f"{path}.Resistor[0][{k}]", "Resistor", f"{path}.y {own[k]}", r=r + k)
        flat.initial[f"{path}.y"] = 0.5 * n
        flat.initial.update({own[k]: 0.1 * k + n for k in (0, 2)})

    def branch(path: str, p: str, q: str, w: tuple[str, int, tuple[float, float]], r: float, tie: tuple[str, int],
               lone: tuple[str, int]) -> None:
        flat.nodes += [f"{path}.m", f"{path}.m2"]
        flat.driven.append(f"{path}.m2")
        flat.add(f"{path}.Capacitor[0]", "Capacitor", f"{path}.m gnd", c=1e-9)
        for i in range(3):
            leaf(f"{path}.leaf[{i}]", f"{path}.m", w, i + 1, r)
        leaf(f"{path}.Leaf[0]", q, (*lone, (1.0, 1.0)), 2, 5.0)
        flat.add(f"{path}.Resistor[0]", "Resistor", f"{p} {path}.m", ties={"r": tie}, r=r)

    flat.nodes += bank("x", 4)
    flat.inputs += bank("x", 4)
    for k in range(4):
        flat.add(f"Capacitor[0][{k}]", "Capacitor", f"x[{k}] gnd", c=1.0)
    branch("left", "x[0]", "x[1]", ("w", 0, (1.0, 2.0)), 7.0, ("left.r", 0), ("left.Leaf[0].g", 0))
    for at, k in enumerate((0, 1, 3)):
        branch(f"cell[{k}]", f"x[{k}]", f"x[{(k + 2) % 4}]", ("cell.w", 2 * at, (3.0, 4.0)), 1.0 + 10 * k, ("cell.r", at),
               ("cell.Leaf[0].g", 2 * at))
    leaf("Leaf[0]", "x[3]", ("Leaf[0].g", 0, (1.0, 1.0)), 2, 5.0)
    return flat


def phases() -> Flat:
    x, y, s = bank("x", 2, 2), bank("y", 2), bank("s", 3)
    flat = Flat(["p", "q", *x, *y, *s], inputs=y, outputs=["q"], driven=["p", *s])
    for k, n in enumerate([*x, *y, "q"]):
        flat.add(f"Capacitor[0][{k}]", "Capacitor", f"{n} gnd", c=2.0)
    flat.add("Capacitor[1]", "Capacitor", "x[0,0] s[1]", c=1.0)
    for k, (a, b) in enumerate(itertools.product(["p", "q"], x[:2])):
        flat.add(f"Resistor[0][{k}]", "Resistor", f"{a} {b}", r=1e3)
    for k, (a, b) in enumerate(itertools.product(x, y)):
        flat.add(f"one.ShiftRelu[0][{k}]", "ShiftRelu", f"{a} {b}", "one", k=1.0, th=0.25)
    for k, a in enumerate(s):
        flat.add(f"one.ShiftRelu[1][{k}]", "ShiftRelu", f"{a} gnd", "one", k=0.0, th=0.0)
    for k, a in enumerate(y):
        flat.add(f"one.w[{k}]", "ShiftRelu", f"{a} q", "one", k=0.0, th=0.0)
    for i in range(2):
        flat.add(f"one.c[{i}].ShiftRelu[0]", "ShiftRelu", f"x[{i},0] y[{i}]", "one", k=2.0, th=0.0)
    for i in range(2):
        flat.add(f"one.c[{i}].w", "ShiftRelu", f"y[{i}] x[{i},0]", "one", k=-1.0, th=0.0)
    flat.add("two.ShiftRelu[0]", "ShiftRelu", "q y[0]", "two", k=0.0, th=0.0)
    flat.add("two.w", "ShiftRelu", "y[0] y[1]", "two", k=8.0, th=0.0)
    for k, n in enumerate(x):
        flat.add(f"rail.x[{k // 2},{k % 2}]", "Rail", n, lower=-4.0, upper=4.0, g=100.0 * (3.0 if k == 0 else 2.0))
    for n in y:
        flat.add(f"rail.{n}", "Rail", n, lower=-1.0, upper=3.0, g=5.0)
    return flat


ORACLES: dict[str, Callable[[], Flat]] = {
    "low_pass": low_pass, "lc_line": lc_line, "two_moons": two_moons, "mnist": mnist, "cellular": cellular, "ring": ring,
    "lists": lists, "hierarchy": hierarchy, "phases": phases}
BY_COPY = {"hierarchy"}
"""Programs whose oracle goes copy by copy, so that the order of rows and nodes is another one."""


def compiled(name: str, **settings: float) -> Circuit:
    return kc.compile(PROGRAMS / f"{name}.kc", settings=settings)


def same(found: Flat, wanted: Flat, in_order: bool = True) -> None:
    """Assert that two are equal; values to rounding, everything else exactly."""
    assert found.inputs == wanted.inputs
    assert found.outputs == wanted.outputs
    assert found.initial == pytest.approx(wanted.initial, rel=1e-14)
    order = (lambda rows: rows) if in_order else sorted
    assert order(found.nodes) == order(wanted.nodes)
    assert sorted(found.driven) == sorted(wanted.driven)
    mine, theirs = order(found.rows), order(wanted.rows)
    assert [row[:4] + row[5:] for row in mine] == [row[:4] + row[5:] for row in theirs]
    for one, two in zip(mine, theirs, strict=True):
        assert dict(one[4]) == pytest.approx(dict(two[4]), rel=1e-14), one[0]


@pytest.mark.parametrize("name", ORACLES)
def test_a_program_is_what_nested_loops_make_of_it(name: str) -> None:
    same(flatten(compiled(name)), ORACLES[name](), in_order=name not in BY_COPY)


def test_every_program_has_an_oracle_and_names_each_row_once() -> None:
    assert sorted(ORACLES) == sorted(path.stem for path in PROGRAMS.glob("*.kc"))
    for name in ORACLES:
        found = flatten(compiled(name))
        assert len({row[0] for row in found.rows}) == len(found.rows)
        assert len(set(found.nodes)) == len(found.nodes)


def test_mnist_at_full_extents_has_the_devices_that_the_formula_counts() -> None:
    circuit = compiled("mnist", n=28, m=50)
    windows, pixels = 25 * 25 * 16 * 15, 28 * 28
    assert [table.count for table in circuit.tables] == [pixels + 50, windows, pixels, pixels * 50, 50]
    assert circuit.nodes.count == 1 + pixels + 50
    # The last row of the windows is the last of the loops: r = c = 24, (3, 3) against (3, 2).
    assert [circuit.nodes.names[n] for n in circuit.tables[1].nodes[-1]] == ["x[27,27]", "x[27,26]"]
    assert list(circuit.outputs) == list(range(1 + pixels + 40, 1 + pixels + 50))


def test_phases_fixed_parameters_and_the_process() -> None:
    circuit = compiled("phases")
    assert [(phase.name, phase.duration) for phase in circuit.phases] == [("one", 1.0), ("two", 0.5)]
    assert circuit.pdk == "generic"
    assert {table.name(0): set(table.fixed) for table in circuit.tables if table.fixed} == {
        "one.ShiftRelu[0][0]": {"k"}, "one.c[0].ShiftRelu[0]": {"k"}}
    assert [(s.inner, s.wave.kind, s.wave.arguments.tolist()) for s in circuit.stimuli] == [
        (False, "sin", [[0, 1, 1e3, 0, 0, 0]]), (True, "dc", [[0], [0.5], [1.0]])]
    assert "one.ShiftRelu[0].k" not in circuit.trainable() and "one.ShiftRelu[0].th" in circuit.trainable()


# ---- random statements ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_random_comprehensions_match_the_same_text_read_by_python(seed: int) -> None:
    """Conditions, bounds and subscripts whose operators Python has too: one text, two readers."""
    rng = np.random.default_rng(seed)

    def whole(names: list[str], depth: int = 2) -> str:
        if depth == 0 or rng.random() < 0.3:
            return str(rng.choice([*names, str(rng.integers(0, 5))]))
        one, two = whole(names, depth - 1), whole(names, depth - 1)
        return str(rng.choice([f"({one} + {two})", f"({one} - {two})", f"{one} * {two}", f"({one}) % {rng.integers(1, 6)}",
                               f"-{one}" if one[0] != "-" else one, f"min({one}, {two})", f"abs({one})"]))

    def condition(names: list[str]) -> str:
        signs = ["<", "<=", ">", ">=", "==", "!="]
        a, b, c = (whole(names) for _ in range(3))
        one = f"{a} {rng.choice(signs)} {b} {rng.choice(signs)} {c}"
        two = f"({whole(names)}, {names[0]}) {rng.choice(['==', '!='])} ({whole(names)}, {names[-1]})"
        return str(rng.choice([one, f"not {one}", f"{one} and {two}", f"{one} or {two}", f"{two} or not {one} and {two}", two]))

    start, stop, keep = whole(["i"]), f"({whole(['i'])}) % 7", condition(["i", "j", "k"])
    at, value = f"({whole(['i', 'j', 'k'])}) % 5", whole(["i", "j", "k"])
    text = f"R(x[{at}, j], x[i, ({at} + j) % 3]) {{ r = {value} }}"
    text += f" for i in 0..4, j in {start}..{stop}, k in 0..j if ({keep}) and 0 <= j < 3;"
    wanted = [(eval(at), j, i, (eval(at) + j) % 3, float(eval(value))) for i in range(4) for j in range(eval(start), eval(stop))
              for k in range(j) if eval(f"({keep}) and 0 <= j < 3")]
    circuit = kc.compile(kc.Source("t.kc", f"""device R(p, n) {{ param r: real = 0; I(p, n) <+ 1 A * r; }}
        {PASSIVE} circuit T {{ node x[5, 3]; Capacitor(n, gnd) for n in x; {text} }}"""))
    tables = circuit.tables[1:]
    assert len(tables) == (1 if wanted else 0)
    for table in tables:
        numbers = table.nodes - 1
        found = np.column_stack([numbers[:, 0] // 3, numbers[:, 0] % 3, numbers[:, 1] // 3, numbers[:, 1] % 3, table.params["r"]])
        assert found.tolist() == [list(map(float, row)) for row in wanted]


# ---- small points -----------------------------------------------------------------------------------------------------


def small(body: str, head: str = "") -> Circuit:
    return kc.compile(kc.Source("t.kc", PASSIVE + head + f"circuit T {{ {body} }}"), top="T")


def codes(body: str, head: str = "") -> list[tuple[str, str]]:
    """Code and text under the caret of every mistake."""
    found = kc.check(kc.Source("t.kc", PASSIVE + head + f"circuit T {{ {body} }}"), top="T")
    return [(d.code, d.span.text if d.span else "") for d in found]


def test_unnamed_banks_are_counted_per_device_and_scope() -> None:
    circuit = small("""node x[2]; Capacitor(n, gnd) for n in x; Resistor(x[0], x[1]); Capacitor(x[0], gnd);
        Resistor(a, gnd) for a in x;
        phase p for 1 s { Resistor(x[0], gnd); Resistor(x[1], gnd); } phase q for 1 s { Resistor(x[1], gnd); }""")
    assert [table.bank for table in circuit.tables] == [
        "Capacitor[0]", "Resistor[0]", "Capacitor[1]", "Resistor[1]", "p.Resistor[0]", "p.Resistor[1]", "q.Resistor[0]"]


def test_copies_whose_loops_have_other_lengths_count_their_own_rows() -> None:
    circuit = small("node x; Capacitor(x, gnd); P s[k](x) { n = k } for k in 0..4;",
                    "circuit P(a) { param n: integer = 0; Resistor w(a, gnd) for k in 0..n; Resistor(a, gnd) for k in n..2; }\n")
    assert [row[0] for row in flatten(circuit).rows[1:]] == [
        *(f"s[{k}].w[{i}]" for k in range(4) for i in range(k)),
        *(f"s[{k}].Resistor[0][{i - k}]" for k in range(4) for i in range(k, 2))]


def test_a_subscript_of_a_bank_is_given_once_in_each_copy() -> None:
    head = "circuit P(a) { Resistor w[k % 2](a, gnd) for k in 0..4; }\n"
    assert codes("node x; Capacitor(x, gnd); Resistor w[k % 2](x, gnd) for k in 0..4;") == [("KC0202", "w")]
    assert codes("node x; Capacitor(x, gnd); P s[k](x) for k in 0..3;", head) == [("KC0202", "w")]


def test_parameters_of_the_top_decide_extents() -> None:
    text = kc.Source("t.kc", PASSIVE + "circuit T { param n: integer = 2; node x[n, n + 1]; Capacitor(k, gnd) for k in x; }")
    assert kc.compile(text).nodes.count == 1 + 6
    assert kc.compile(text, settings={"n": 5}).nodes.count == 1 + 30


def test_runs_of_alike_statements_inside_copies() -> None:
    """Folded lines of a circuit with copies are the separate lines: the same rows, ties and parameter names."""
    lines = [f"Resistor R{k}(a, m[{k}]) {{ r = {k + 1} Ohm }};" for k in range(40)]
    lines += [f"Transconductor t{k}(n{k % 40}, m[{k}]) {{ gm = w[{k % 3}] }};" for k in range(40)]
    lines += [f"Inner i{k}(m[{k}]) {{ n = {k % 4 + 1} }};" for k in range(40)]
    lines += [f"Resistor(a, m[{k}]);" for k in range(40)]

    def program(end: str) -> Circuit:
        body = "\n".join(line + end for line in lines)
        return small("node x[3]; Capacitor(n, gnd) for n in x; P s[k](x[k]) { f = k } for k in 0..3;", f"""
            circuit Inner(a) {{ param n: integer = 1; param g: conductance = 1 S * n; node y[n];
                Capacitor(k, gnd) for k in y; Conductance(a, k) {{ g = g }} for k in y; }}
            circuit P(a) {{ param f: real = 0; param w[3]: conductance = [1 S, 2 S, 3 S] trainable; node m[40];
                node {', '.join(f'n{k}' for k in range(40))};
                {' '.join(f'Capacitor(n{k}, gnd);' for k in range(40))}
                Capacitor(k, gnd) for k in m;\n{body}\n}}
            """)

    folded, separate = program(""), program(" // apart")
    assert len(folded.tables) < len(separate.tables)
    # Unnamed lines of a run are one bank without a number; everything else keeps its name.
    mine, theirs = flatten(folded), flatten(separate)
    assert sorted(mine.nodes) == sorted(theirs.nodes)
    assert sorted(mine.rows) == sorted(theirs.rows)
    values, wanted = folded.parameters(), separate.parameters()
    assert {name for name in values if name != "s.Resistor.r"} == {name for name in wanted if ".Resistor[" not in name}
    for name in values.keys() & wanted.keys():
        np.testing.assert_array_equal(values[name], wanted[name])
    changed = folded.with_params({"s.R7.r": np.array([5.0, 6.0, 7.0])})
    assert {row[0]: dict(row[4])["r"] for row in flatten(changed).rows if ".R7" in row[0]} == {
        "s[0].R7": 5.0, "s[1].R7": 6.0, "s[2].R7": 7.0}


def test_mistakes_of_inputs_and_drives_have_the_place_of_their_expression() -> None:
    head = "node a, b[3]; Capacitor(n, gnd) for n in b; "
    assert codes(head + "drive a = dc(1 V); input b, a;") == [("KC0424", "a")]
    assert codes(head + "drive a = dc(1 V); input b[0..2]; input b[1];") == [("KC0202", "b[1")]
    assert codes(head + "drive a = dc(1 V); input b + b;") == [("KC0202", "b + b")]
    assert codes(head + "drive a = dc(1 V); input b, gnd;") == [("KC0210", "gnd")]
    assert codes(head + "drive a = dc(1 V); drive b = dc(1 V); drive a = dc(2 V); drive b[1] = dc(1 V);") == [
        ("KC0409", "a"), ("KC0409", "b[1")]
    assert codes(head + "drive a = dc(1 V); drive b[k % 2] = dc(1 V) for k in 0..3;") == [("KC0409", "b[k % 2")]


def test_thousands_of_drives_are_compared_once() -> None:
    lines = "".join(f"drive a[{k}] = dc({k} V);\n" for k in range(3000))
    assert len(small(f"node a[3000];\n{lines}").driven) == 3000


@pytest.mark.parametrize("levels", [12, 31])
def test_circuits_of_circuits_are_counted_before_they_are_unrolled(levels: int) -> None:
    parts = "".join(f"circuit L{k + 1}(a) {{ L{k}(a); L{k}(a); }}\n" for k in range(levels))
    head = "circuit L0(a) { Resistor(a, gnd); }\n" + parts
    body = f"node x; Capacitor(x, gnd); L0(x); L{levels}(x); L{levels}(x);"
    if levels < 20:
        assert sum(table.count for table in small(body, head).tables) == 2 + 2 * 2**levels
    else:
        assert codes(body, head) == [("KC0406", f"L{levels}(x")]


def test_loops_of_circuits_are_one_statement() -> None:
    parts = "".join(f"circuit L{k + 1}(a) {{ L{k}(a) for i in 0..2; }}\n" for k in range(15))
    circuit = small("node x; Capacitor(x, gnd); L15 l(x);", "circuit L0(a) { Resistor(a, gnd); }\n" + parts)
    assert [table.count for table in circuit.tables] == [1, 2**15]


def test_parameters_have_one_name_each() -> None:
    for path in [*PROGRAMS.glob("*.kc"), *(PROGRAMS.parent.parent / "corpus").glob("ir_*.kc")]:
        circuit = kc.compile(path)
        total = sum(t.count * (len(t.params) - len(t.ties)) for t in circuit.tables) + sum(s.values.size for s in circuit.shared)
        assert sum(value.size for value in circuit.parameters().values()) == total, path.name


def test_a_later_run_of_unnamed_lines_has_the_number_of_its_first() -> None:
    circuit = kc.compile(PROGRAMS.parent.parent / "corpus" / "ir_two_runs.kc")
    assert [table.bank for table in circuit.tables] == ["Capacitor[0]", "Resistor", "Resistor[33]"]
    changed = circuit.with_params({"Resistor[33].r": np.array(5.0)})
    assert set(changed.tables[2].params["r"]) == {5.0} and set(changed.tables[1].params["r"]) != {5.0}


def test_a_label_is_not_the_name_of_unnamed_instances() -> None:
    head = "node x; Capacitor(x, gnd); "
    assert codes(head + "Resistor Resistor[k](x, gnd) for k in 0..2; Resistor(x, gnd);") == [("KC0202", "Resistor")]
    assert codes(head + "Resistor(x, gnd); Resistor Resistor(x, gnd);") == [("KC0202", "Resistor")]
    assert codes(head + "Resistor Resistor(x, gnd);") == []
