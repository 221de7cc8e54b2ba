"""Dimensions of expressions: what fits, and mistakes located at the operator's right side or the argument."""

from __future__ import annotations

import itertools

import pytest

import kcompile as kc
from kcompile.diagnostics import Reporter
from kcompile.syntax.functions import FUNCTIONS, Rule
from kcompile.syntax.infer import Inference, Type
from kcompile.syntax.parse import parse_rule
from kcompile.units import DIMENSIONS, REAL, UNITS, Dimension, parse_unit

NAMES = {"v": "V", "i": "A", "g": "S", "r": "Ohm", "c": "F", "t": "s", "f": "Hz", "l": "H", "q": "C", "x": "", "w": "V^2"}
TYPES = {name: Type("number", parse_unit(unit)[1]) for name, unit in NAMES.items()} | {
    "n": Type("number", REAL, integral=True), "p": Type("node"), "ps": Type("nodes"), "b": Type("boolean")}


def infer(text: str) -> tuple[Type, list[tuple[str, str]]]:
    """Type, and (code, text under the caret) of every mistake."""
    report = Reporter()
    found = Inference(report, lambda name: TYPES[name.id]).infer(parse_rule(kc.Source("e", text), "expr"))
    return found, [(d.code, d.span.text if d.span else "") for d in report.diagnostics]


@pytest.mark.parametrize(("text", "unit"), [
    ("v / r", "A"), ("g * v", "A"), ("c * v / t", "A"), ("1 / r", "S"), ("v * i", "W"), ("l * i / v", "s"), ("1 / t", "Hz"),
    ("q / c", "V"), ("x * v", "V"), ("v + 2 V", "V"), ("v + 0", "V"), ("0 + v", "V"), ("0 - v + v", "V"), ("-v", "V"),
    ("min(v, 1 V, 0)", "V"), ("max(0, v)", "V"), ("relu(v)", "V"), ("abs(-i)", "A"), ("leaky_relu(v)", "V"),
    ("leaky_relu(v, slope = 0.2)", "V"), ("sign(v)", ""), ("tanh(v / 1 V)", ""), ("pow(v, 2)", "V^2"), ("pow(v, -1)", "V^-1"),
    ("pow(v, 0)", ""), ("pow(x, 0.5)", ""), ("if(v > 0, v, 1 mV)", "V"), ("if(v > i * r and x < 1, 0, i)", "A"),
    ("n % 3", ""), ("1 mA/V^2 * w", "A"), ("v * v / w", ""), ("inf * x + 1", ""), ("min(v, inf)", "V"), ("pi * x", "")])
def test_dimensions_of_expressions(text: str, unit: str) -> None:
    found, mistakes = infer(text)
    assert mistakes == []
    assert found.kind == "number"
    assert found.dimension == parse_unit(unit)[1]


@pytest.mark.parametrize(("text", "code", "under"), [
    ("v + i", "KC0301", "i"), ("v - 1 A", "KC0301", "1 A"), ("v + v + 3 * i + v", "KC0301", "3 * i"), ("v + 1", "KC0301", "1"),
    ("x + v / 1 A", "KC0301", "v / 1 A"), ("v < i", "KC0301", "i"), ("0 < v < r", "KC0301", "r"), ("v == 1", "KC0301", "1"),
    ("min(v, i)", "KC0301", "i"), ("max(0, v, 3, 1 V)", "KC0301", "3"), ("if(v > 0, v, i)", "KC0301", "i"),
    ("tanh(v)", "KC0302", "v"), ("exp(1 + v)", "KC0301", "v"), ("sqrt(w)", "KC0302", "w"), ("pow(v, 0.5)", "KC0302", "v"),
    ("pow(x, n)", "KC0303", "n"), ("pow(2, pow(2, 3))", "KC0303", "pow(2, 3"), ("pow(v, 65)", "KC0303", "65"),
    ("pow(pow(v, 60), 2)", "KC0301", "pow(pow(v, 60), 2"), ("leaky_relu(v, 1 V)", "KC0302", "1 V"),
    ("leaky_relu(v, slop = 1)", "KC0306", "slop"), ("tanh()", "KC0306", "tanh"), ("tanh(x, x)", "KC0306", "tanh(x, x"),
    ("min(v)", "KC0306", "min(v"), ("if(x, v, v)", "KC0305", "x"), ("not x", "KC0305", "x"), ("x and b", "KC0305", "x"),
    ("x % 2", "KC0304", "2"), ("n % 2.5", "KC0304", "2.5"), ("tahn(x)", "KC0307", "tahn"), ("V(p)", "KC0312", "V(p"),
    ("ddt(v)", "KC0312", "ddt(v"), ("x + p", "KC0305", "p"), ("p + x", "KC0305", "x"), ("p < p", "KC0305", "p"),
    ("(n, n) < (n, n)", "KC0314", "n, n"), ("(n, n) == (n, n, n)", "KC0314", "n, n, n"), ("(n, v) == (n, i)", "KC0301", "n, i"),
    ("b == b", "KC0305", "b"), ("x == p", "KC0305", "p"), ("-b", "KC0305", "b"), ("b + 1", "KC0305", "b"),
    ("ps == ps", "KC0305", "ps"), ("[1, 2] + 1", "KC0305", "1, 2"), ("x[0]", "KC0404", "x[0"),
    ("min((n, n), n)", "KC0305", "n, n")])
def test_a_mistake_is_told_once_at_its_place(text: str, code: str, under: str) -> None:
    assert infer(text)[1] == [(code, under)]


@pytest.mark.parametrize("text", ["v + i + v + i", "tanh(v + i)", "(v + i) * (v + i)", "min(v + i, v)", "pow(v + i, 2)",
                                  "if(v + i > 0, v, v)", "-(v + i) < v", "(v + i) / r + i"])
def test_one_mistake_has_no_cascade(text: str) -> None:
    codes = [code for code, _ in infer(text)[1]]
    assert set(codes) == {"KC0301"}
    assert len(codes) == 1 if text != "(v + i) * (v + i)" else 2


@pytest.mark.parametrize(("left", "right"), [*itertools.product(sorted(NAMES), repeat=2)])
def test_products_and_sums_of_any_two_dimensions(left: str, right: str) -> None:
    a, b = TYPES[left].dimension, TYPES[right].dimension
    assert isinstance(a, Dimension)
    assert isinstance(b, Dimension)
    assert infer(f"{left} * {right}")[0].dimension == a * b
    assert infer(f"{left} / {right}")[0].dimension == a / b
    for sign in "+-":
        assert infer(f"{left} {sign} {right}")[1] == ([] if a == b else [("KC0301", right)])


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_has_its_rule(name: str) -> None:
    rule = FUNCTIONS[name].rule
    texts = {Rule.REAL: f"{name}(x)", Rule.KEEP: f"{name}(v)", Rule.SIGN: f"{name}(v)", Rule.SLOPE: f"{name}(v)",
             Rule.POWER: f"{name}(v, 3)", Rule.CHOICE: f"{name}(b, v, v)"}
    text = texts[rule] if FUNCTIONS[name].least != 2 or rule is Rule.POWER else f"{name}(v, v)"
    wanted = {Rule.REAL: REAL, Rule.SIGN: REAL, Rule.POWER: UNITS["V"] ** 3}.get(rule, UNITS["V"])
    found, mistakes = infer(text)
    assert mistakes == []
    assert found.dimension == wanted


def test_hints_name_the_unit_and_the_function() -> None:
    def hint(text: str) -> str:
        report = Reporter()
        Inference(report, lambda name: TYPES[name.id]).infer(parse_rule(kc.Source("e", text), "expr"))
        return report.diagnostics[0].hint

    assert "`3 V`" in hint("v + 3")
    assert hint("tahn(x)") == "did you mean `tanh`?"
    assert "1 V" in hint("tanh(v)")


@pytest.mark.parametrize(("line", "code", "under"), [
    ("param r: resistance = 1 V;", "KC0301", "1 V"), ("param r: resistanc = 1 Ohm;", "KC0301", "resistanc"),
    ("param r: mV = 1 V;", "KC0301", "mV"), ("param k: integer = 1.5;", "KC0304", "1.5"),
    ("param k: integer = 1 trainable;", "KC0304", "k: integer = 1"), ("param r: real = 1 in [0 V, 1];", "KC0301", "0 V"),
    ("state s: voltage = 1 A; ddt(s) = 1 V / 1 s;", "KC0301", "1 A"), ("state s: voltage; ddt(s) = 1 V;", "KC0301", "1 V"),
    ("I(p, n) <+ V(p, n);", "KC0301", "V(p, n"), ("I(p, n) <+ 1 A + V(p);", "KC0301", "V(p"),
    ("I(p, n) <+ ddt(1 S * V(p, n));", "KC0301", "1 S * V(p, n")])
def test_mistakes_in_devices(line: str, code: str, under: str) -> None:
    found = kc.check(kc.Source("d.kc", f"device D(p, n) {{ {line} }}"))
    assert (code, under) in [(d.code, d.span.text) for d in found if d.span]
    assert len(found) == 1


@pytest.mark.parametrize(("line", "code", "under"), [
    ("initial x = 1 A;", "KC0301", "1 A"), ("drive x = dc(1 A);", "KC0301", "1 A"),
    ("drive x = sin(0 V, 1 V, 1 s);", "KC0301", "1 s"), ("phase p for 1 V { D(x, gnd); }", "KC0301", "1 V"),
    ("node y[2.5];", "KC0304", "2.5"), ("node y rail [0 A, 1 V];", "KC0301", "0 A"), ("D(x, gnd) { k = 1 V };", "KC0301", "1 V"),
    ("D(x, gnd) { k = 1 S * j } for j in 0..1 V;", "KC0301", "1 V"), ("D(x, gnd) if 1 V > 1 A;", "KC0301", "1 A"),
    ("D(x, 3);", "KC0210", "3"), ("D(3 V, x);", "KC0210", "3 V"), ("output 3;", "KC0210", "3")])
def test_mistakes_in_circuits(line: str, code: str, under: str) -> None:
    device = "device D(p, n) { param k: conductance = 1 S; I(p, n) <+ k * V(p, n); }\n"
    capacitor = "device C(p) { I(p) <+ ddt(1 F * V(p)); }\n"
    found = kc.check(kc.Source("c.kc", f"{device}{capacitor}circuit T {{ node x; C(x); {line} }}"))
    assert [(d.code, d.span.text) for d in found if d.span] == [(code, under)]


def test_every_dimension_word_types_its_own_unit() -> None:
    for word, dimension in DIMENSIONS.items():
        [unit] = [unit for unit, one in UNITS.items() if one == dimension] or [""]
        text = f"device D(p) {{ param k: {word} = {'1 ' + unit if unit else '1'}; I(p) <+ 1 A; }}"
        assert kc.check(kc.Source("d.kc", text)) == ()
