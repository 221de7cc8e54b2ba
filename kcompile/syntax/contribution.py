"""A contribution taken apart: currents that are functions of now, and charges that are differentiated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kcompile.syntax import nodes


@dataclass(frozen=True, slots=True)
class Charge:
    """One term `ddt(coefficient * V(a, b))`; the coefficient stands with the voltage replaced by 1."""

    call: nodes.Call
    coefficient: nodes.Expr
    voltage: nodes.Call
    negative: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """Terms of a contribution; `currents` are (negative, expression)."""

    currents: tuple[tuple[bool, nodes.Expr], ...]
    charges: tuple[Charge, ...]
    misplaced: tuple[nodes.Call, ...]
    """`ddt` calls that are not a term of their own, or whose argument is not linear in one voltage."""


def take_apart(expr: nodes.Expr) -> Parts:
    """Split a contribution at its sums."""
    currents: list[tuple[bool, nodes.Expr]] = []
    charges: list[Charge] = []
    misplaced: list[nodes.Call] = []
    for negative, term in _terms(expr, False):
        if isinstance(term, nodes.Call) and term.function.id == "ddt":
            charge = _charge(term, negative)
            if charge is None:
                misplaced.append(term)
            else:
                charges.append(charge)
        else:
            inside = [call for call in calls(term) if call.function.id == "ddt"]
            misplaced += inside
            if not inside:
                currents.append((negative, term))
    return Parts(tuple(currents), tuple(charges), tuple(misplaced))


def _terms(expr: nodes.Expr, negative: bool) -> Iterator[tuple[bool, nodes.Expr]]:
    if isinstance(expr, nodes.Unary) and expr.operator == "-":
        yield from _terms(expr.operand, not negative)
    elif isinstance(expr, nodes.Chain) and expr.operators[0] in "+-":
        for operator, operand in zip(("+", *expr.operators), expr.operands, strict=True):
            yield from _terms(operand, negative != (operator == "-"))
    else:
        yield negative, expr


def _charge(call: nodes.Call, negative: bool) -> Charge | None:
    if len(call.arguments) != 1 or call.named:
        return None
    found = _linear(call.arguments[0])
    return None if found is None else Charge(call, found[0], found[1], negative)


def _linear(expr: nodes.Expr) -> tuple[nodes.Expr, nodes.Call] | None:
    """(coefficient, voltage) of a product with one voltage among its factors."""
    one = nodes.Number(expr.span, 1.0, None, False)
    if isinstance(expr, nodes.Call) and expr.function.id == "V":
        return one, expr
    if isinstance(expr, nodes.Unary) and expr.operator == "-":
        found = _linear(expr.operand)
        return None if found is None else (replace(expr, operand=found[0]), found[1])
    if not isinstance(expr, nodes.Chain) or expr.operators[0] not in "*/":
        return None
    holders = [k for k, operand in enumerate(expr.operands) if any(c.function.id == "V" for c in calls(operand))]
    if len(holders) != 1 or (holders[0] > 0 and expr.operators[holders[0] - 1] != "*"):
        return None
    k = holders[0]
    found = _linear(expr.operands[k])
    if found is None:
        return None
    return replace(expr, operands=(*expr.operands[:k], found[0], *expr.operands[k + 1 :])), found[1]


def calls(expr: nodes.Expr) -> Iterator[nodes.Call]:
    """Every call inside an expression, outer ones first."""
    match expr:
        case nodes.Call():
            yield expr
            for part in (*expr.arguments, *(value for _, value in expr.named)):
                yield from calls(part)
        case nodes.Unary():
            yield from calls(expr.operand)
        case nodes.Chain() | nodes.Comparison():
            for part in expr.operands:
                yield from calls(part)
        case nodes.Tuple() | nodes.Array():
            for part in expr.items:
                yield from calls(part)
        case nodes.Index():
            for part in expr.subscripts:
                for side in (part.start, part.stop) if isinstance(part, nodes.Range) else (part,):
                    yield from calls(side)


def names(expr: nodes.Expr) -> Iterator[nodes.Name]:
    """Every name an expression reads; names of functions are not among them."""
    match expr:
        case nodes.Name():
            yield expr
        case nodes.Index():
            yield expr.base
            for part in expr.subscripts:
                for side in (part.start, part.stop) if isinstance(part, nodes.Range) else (part,):
                    yield from names(side)
        case nodes.Call():
            for part in (*expr.arguments, *(value for _, value in expr.named)):
                yield from names(part)
        case nodes.Unary():
            yield from names(expr.operand)
        case nodes.Chain() | nodes.Comparison():
            for part in expr.operands:
                yield from names(part)
        case nodes.Tuple() | nodes.Array():
            for part in expr.items:
                yield from names(part)
