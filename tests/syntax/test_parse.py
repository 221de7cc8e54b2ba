"""Precedence and chains against Python's own evaluation; several mistakes in one run; places of mistakes."""

from __future__ import annotations

import ast
import operator
import random
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kcompile as kc
from kcompile.diagnostics import Reporter
from kcompile.syntax import nodes
from kcompile.syntax.parse import MAX_NESTING, parse, parse_rule

OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod,
              "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}


def read(text: str) -> nodes.Expr:
    return parse_rule(kc.Source("expr", text), "expr")


def value(expr: nodes.Expr) -> object:
    """Value of a tree, by the definition of its nodes."""
    match expr:
        case nodes.Number():
            return expr.value
        case nodes.Unary(operator="not"):
            return not value(expr.operand)
        case nodes.Unary():
            return -value(expr.operand)  # pyright: ignore
        case nodes.Chain(operators=("and" | "or", *_)):
            join = all if expr.operators[0] == "and" else any
            return join(value(operand) for operand in expr.operands)
        case nodes.Chain():
            pairs = zip(expr.operators, expr.operands[1:], strict=True)
            return reduce(lambda left, pair: OPERATIONS[pair[0]](left, value(pair[1])), pairs, value(expr.operands[0]))
        case nodes.Comparison():
            pairs = zip(expr.operands, expr.operands[1:], expr.operators, strict=False)
            return all(OPERATIONS[sign](value(left), value(right)) for left, right, sign in pairs)
    raise AssertionError(expr)


PYTHON = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">",
          ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def python_value(text: str) -> object:
    """Value that Python gives a text: its own parser decides what belongs together."""
    return _python(ast.parse(text, mode="eval").body)


def _python(node: ast.expr) -> object:
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp(op=ast.Not()):
            return not _python(node.operand)
        case ast.UnaryOp(op=ast.USub()):
            return -_python(node.operand)  # pyright: ignore
        case ast.BinOp():
            return OPERATIONS[PYTHON[type(node.op)]](_python(node.left), _python(node.right))
        case ast.BoolOp():
            return (all if isinstance(node.op, ast.And) else any)(map(_python, node.values))
        case ast.Compare():
            values = [*map(_python, (node.left, *node.comparators))]
            return all(OPERATIONS[PYTHON[type(op)]](a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False))
    raise AssertionError(ast.dump(node))


def random_arithmetic(rng: random.Random, depth: int) -> str:
    """Arithmetic that Python and the language read alike; dividers are never zero."""
    if depth == 0:
        return rng.choice(["1", "2.5", "7", "0.125", "3e2"])
    prefixes = [("", ""), ("", ""), ("-", ""), ("--", ""), ("-(-", ")")]
    parts = [random_arithmetic(rng, rng.randrange(depth)).join(rng.choice(prefixes)) for _ in range(3)]
    if rng.random() < 0.4:
        parts[0] = f"({random_arithmetic(rng, depth - 1)})"
    divider = rng.choice(["3", "-0.7", "11"])
    return f"{parts[0]} {rng.choice('+-*')} {parts[1]} {rng.choice('/%')} {divider} {rng.choice('+-')} {parts[2]}"


def random_condition(rng: random.Random, depth: int) -> str:
    if depth == 0:
        signs = rng.choices(["<", "<=", ">", ">=", "==", "!="], k=2)
        a, b, c = (random_arithmetic(rng, 1) for _ in range(3))
        return f"{a} {signs[0]} {b} {signs[1]} {c}" if rng.random() < 0.4 else f"{a} {signs[0]} {b}"
    left, right = random_condition(rng, depth - 1), random_condition(rng, rng.randrange(depth))
    joined = f"{left} {rng.choice(['and', 'or'])} {right}"
    return rng.choice([joined, f"({joined}) and {left}", f"not {right} or {left}", f"not ({joined})"])


@pytest.mark.parametrize("seed", range(200))
def test_arithmetic_means_what_python_means(seed: int) -> None:
    text = random_arithmetic(random.Random(seed), 3)
    assert value(read(text)) == python_value(text)


@pytest.mark.parametrize("seed", range(200))
def test_conditions_mean_what_python_means(seed: int) -> None:
    text = random_condition(random.Random(seed), 2)
    assert value(read(text)) == python_value(text)


@pytest.mark.parametrize("seed", range(50))
def test_constants_of_a_program_have_pythons_value(seed: int) -> None:
    text = random_arithmetic(random.Random(seed), 2).replace("%", "*")
    circuit = kc.compile(kc.Source("c.kc", f"const c = {text};\ncircuit T {{ param p: real = c; node x; drive x = dc(0 V); }}"))
    assert circuit.shared[0].values[0] == python_value(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 9)), min_size=1, max_size=40))
def test_chains_group_to_the_left(parts: list[tuple[str, int]]) -> None:
    text = "5" + "".join(f" {sign} {number}" for sign, number in parts)
    assert value(read(text)) == pytest.approx(python_value(text), rel=1e-15)


def test_minus_binds_tighter_than_a_product() -> None:
    expr = read("-2 * -3")
    assert isinstance(expr, nodes.Chain)
    assert [type(operand) for operand in expr.operands] == [nodes.Unary, nodes.Unary]


def test_not_holds_for_the_whole_comparison() -> None:
    expr = read("not 1 < 2 and 3 < 4")
    assert isinstance(expr, nodes.Chain)
    first = expr.operands[0]
    assert isinstance(first, nodes.Unary)
    assert isinstance(first.operand, nodes.Comparison)


def test_a_sum_of_five_thousand_terms_is_one_node() -> None:
    expr = read(" + ".join(["1"] * 5000))
    assert isinstance(expr, nodes.Chain)
    assert len(expr.operands) == 5000


def test_nesting_up_to_the_limit_is_read_and_one_more_is_not() -> None:
    assert value(read("(" * MAX_NESTING + "1" + ")" * MAX_NESTING)) == 1
    with pytest.raises(kc.CompileError) as caught:
        read("(" * (MAX_NESTING + 1) + "1" + ")" * (MAX_NESTING + 1))
    assert [d.code for d in caught.value.diagnostics] == ["KC0105"]
    assert caught.value.diagnostics[0].span.start == MAX_NESTING


def places(text: str) -> list[tuple[str, str]]:
    """(code, line:column) of every diagnostic of a text."""
    return [(d.code, str(d.span).removeprefix("t.kc:")) for d in kc.check(kc.Source("t.kc", text))]


def test_every_broken_statement_is_told_once_at_its_place() -> None:
    text = ("const a = ;\n"
            "const b = 1 kOhn;\n"
            "device D(p, n) {\n"
            "    param r resistance = 1 Ohm;\n"
            "    I(p, n) <+ V(p, n) / / 1 Ohm;\n"
            "    I(p, n) <+ V(p, n) / 1 Ohm\n"
            "    I(p, n) <+ 1 A;\n"
            "}\n"
            "circuit C {\n"
            "    node x\n"
            "    D(x gnd);\n"
            "    D(x, gnd) { r = 1kOhm };\n"
            "    const @ = 3;\n"
            "}\n")
    assert places(text) == [
        ("KC0102", "1:11"), ("KC0104", "2:13"), ("KC0102", "4:13"), ("KC0102", "5:26"), ("KC0102", "6:30"),
        ("KC0102", "10:10"), ("KC0102", "11:9"), ("KC0104", "12:22"), ("KC0101", "13:11")]


@pytest.mark.parametrize(("text", "wanted"), [
    ("circuit C { node x; drive x = dc(0 V); ", ("KC0102", "1:40")),
    ("device D(p {", ("KC0102", "1:12")),
    ("const a = 1 & 2;", ("KC0101", "1:13")),
    ("const a = 1 ^ 2;", ("KC0102", "1:13")),
    ("const a = 1 not 2;", ("KC0102", "1:13")),
    ("const a = 1 + not 2 < 3;", ("KC0102", "1:19")),
    ("use \"a.kc;\n", ("KC0101", "1:5")),
    ("}", ("KC0102", "1:1")),
    ("const a = 1e999;", ("KC0106", "1:11")),
    ("const a = sin(x = 1, 2);", ("KC0306", "1:22")),
    ("circuit C { node x rail [0 V, 1 V] h = 1 S; }", ("KC0102", "1:36")),
])
def test_places_of_syntax_errors(text: str, wanted: tuple[str, str]) -> None:
    assert wanted in places(text)


def test_spans_cover_their_source() -> None:
    source = kc.Source("s.kc", "const a = 1 + pow(2, 3);\n")
    program = parse(source, Reporter())
    [const] = program.declarations
    assert isinstance(const, nodes.Const)
    assert const.name.span.text == "a"
    assert isinstance(const.value, nodes.Chain)
    assert const.value.operands[0].span.text == "1"
    assert const.value.span.text.startswith("1 + pow(2, 3")
