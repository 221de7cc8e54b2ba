"""Pieces of a program, as syntax and as text; the values of a netlist have no units, those of a program do."""

from __future__ import annotations

from collections.abc import Sequence

from kcompile.diagnostics import Span
from kcompile.syntax import nodes
from kcompile.syntax.format_device import format_expr
from kcompile.units import UNITS


def plain(value: float) -> str:
    """A number in the fewest digits that read back as the same float."""
    return str(int(value)) if is_whole(value) else repr(value)


def is_whole(value: float) -> bool:
    """Whether a number is written without a point."""
    return abs(value) < 1e15 and value == int(value)


def unit(name: str, span: Span, value: float = 1.0) -> nodes.Number:
    """A value with a unit."""
    return nodes.Number(span, value, UNITS[name], is_whole(value))


def with_unit(expr: nodes.Expr, name: str) -> nodes.Expr:
    """A plain number as a value with a unit: `0.5 V`, `1 V * x`."""
    if isinstance(expr, nodes.Number):
        return unit(name, expr.span, float(expr.value))
    if isinstance(expr, nodes.Unary) and expr.operator == "-" and isinstance(expr.operand, nodes.Number):
        return nodes.Unary(expr.span, "-", unit(name, expr.span, float(expr.operand.value)))
    return tidied(product(unit(name, expr.span), expr))


def quantity(expr: nodes.Expr, name: str) -> str:
    """Text of `with_unit`."""
    if isinstance(expr, nodes.Number):  # a hundred thousand times in a netlist of as many cards
        return f"{plain(float(expr.value))} {name}"
    return format_expr(with_unit(expr, name))


def in_volts(span: Span, plus: str, minus: str) -> nodes.Expr:
    """A voltage between two terminals as a plain number."""
    ends = [end for end in (plus, minus) if end != "gnd"]
    call = nodes.Call(span, nodes.Name(span, "V"), tuple(nodes.Name(span, end) for end in ends))
    return nodes.Chain(span, (nodes.Unary(span, "-", call) if plus == "gnd" else call, unit("V", span)), ("/",))


def current(span: Span, plus: str, minus: str, value: nodes.Expr) -> nodes.Contribution:
    """`I(plus, minus) <+ value`."""
    ends = (plus,) if minus == "gnd" else (plus, minus)
    return nodes.Contribution(span, nodes.Name(span, "I"), tuple(nodes.Name(span, end) for end in ends), value)


def real_param(span: Span, name: str, default: nodes.Expr | None = None) -> nodes.Param:
    """A parameter of a device that is a plain number."""
    return nodes.Param(span, nodes.Name(span, name), (), nodes.DimensionWord(span, "real"), default, None, False)


def product(*factors: nodes.Expr) -> nodes.Expr:
    """Product of factors."""
    first, *others = factors
    return nodes.Chain(first.span, factors, ("*",) * len(others)) if others else first


def tidied(expr: nodes.Expr) -> nodes.Expr:
    """The expression with products inside products, and signs inside sums, written as one; the value is the same."""
    match expr:
        case nodes.Unary():
            return nodes.Unary(expr.span, expr.operator, tidied(expr.operand))
        case nodes.Comparison():
            return nodes.Comparison(expr.span, tuple(map(tidied, expr.operands)), expr.operators)
        case nodes.Call():
            return nodes.Call(expr.span, expr.function, tuple(map(tidied, expr.arguments)))
        case nodes.Chain() if expr.operators[0] in "*/":
            return _flat(expr, [tidied(operand) for operand in expr.operands])
        case nodes.Chain() if expr.operators[0] in "+-":
            return _subtracted(expr, [tidied(operand) for operand in expr.operands])
        case nodes.Chain():
            return nodes.Chain(expr.span, tuple(map(tidied, expr.operands)), expr.operators)
    return expr


def _subtracted(sum_: nodes.Chain, terms: Sequence[nodes.Expr]) -> nodes.Chain:
    """`a + -b` as `a - b`."""
    operands, operators = [terms[0]], []
    for operator, term in zip(sum_.operators, terms[1:], strict=True):
        minus = isinstance(term, nodes.Unary) and term.operator == "-"
        operands.append(term.operand if isinstance(term, nodes.Unary) and minus else term)
        operators.append(operator if not minus else "-" if operator == "+" else "+")
    return nodes.Chain(sum_.span, tuple(operands), tuple(operators))


def _flat(product: nodes.Chain, factors: Sequence[nodes.Expr]) -> nodes.Chain:
    operands: list[nodes.Expr] = []
    operators: list[str] = []
    for operator, factor in zip(("*", *product.operators), factors, strict=True):
        operators.append(operator)
        if operator == "*" and isinstance(factor, nodes.Chain) and factor.operators[0] in "*/":
            operands += factor.operands
            operators += factor.operators
        else:
            operands.append(factor)
    return nodes.Chain(product.span, tuple(operands), tuple(operators[1:]))


def brackets(text: str) -> int:
    """How many brackets are open at once."""
    depth = most = 0
    for sign in text:
        if sign in "([{":
            depth += 1
            most = max(most, depth)
        elif sign in ")]}":
            depth -= 1
    return most
