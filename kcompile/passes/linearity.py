"""How a law depends on one of its parameters: in proportion to it, to its reciprocal, or otherwise."""

from __future__ import annotations

import math

import sympy

from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression, potential, recip, symbol
from kcompile.passes.rules import rewrite, sign_outside


def scale_parameters(model: DeviceModel) -> dict[str, bool]:
    """Parameters that every current and charge of a law is proportional to; true where to their reciprocal.

    A law with inner states has none: its currents have a memory of their own.
    """
    found: dict[str, bool] = {}
    values = [branch.value for branch in (*model.law.currents, *model.law.capacitances)]
    if model.states or not values:
        return found
    for param in model.params:
        one = symbol(param.name)
        for factor in (one, recip(one)):
            if param.waveform is None and all(_is_proportional(value, factor, one) for value in values):
                found[param.name] = factor is not one
    return found


def _is_proportional(expr: Expression, factor: Expression, one: sympy.Symbol) -> bool:
    if expr == factor:
        return True
    if isinstance(expr, sympy.Add):
        return all(_is_proportional(term, factor, one) for term in expr.args)
    if isinstance(expr, sympy.Mul):
        holders = [part for part in expr.args if part.has(one)]
        return len(holders) == 1 and _is_proportional(holders[0], factor, one)
    return False


MAX_TERMS = 64
"""Terms of a law up to which it is expanded to see whether it is the same from both ends."""


def is_reversible(model: DeviceModel) -> bool:
    """Whether a device of two terminals is the same with its terminals exchanged."""
    if len(model.terminals) != 2 or model.states or model.waveforms:
        return False
    parts = (part for value in model.law.expressions for part in sympy.preorder_traversal(value))
    if any(_terms(part) > MAX_TERMS for part in parts):
        return False
    a, b = model.terminals
    return _flows(model, {a: a, b: b}) == _flows(model, {a: b, b: a})


def _terms(expr: Expression) -> int:
    """Terms of an expression when it is expanded, counted no further than one above the limit."""
    if isinstance(expr, sympy.Add):
        count = sum(map(_terms, expr.args))
    elif isinstance(expr, sympy.Mul):
        count = math.prod(map(_terms, expr.args))
    elif isinstance(expr, sympy.Pow):
        count = math.comb(_terms(expr.base) + int(expr.exp) - 1, int(expr.exp))
    else:
        return 1
    return min(count, MAX_TERMS + 1)


def _flows(model: DeviceModel, renamed: dict[str, str]) -> tuple[dict[tuple[str, str], Expression], ...]:
    """Current and capacitance between each two ends, with the terminals renamed, in a form that tells equal ones."""
    voltages = {potential(old): potential(new) for old, new in renamed.items()}
    found = []
    for part, backwards in ((model.law.currents, -1), (model.law.capacitances, 1)):  # a capacitance has no direction
        sums: dict[tuple[str, str], Expression] = {}
        for branch in part:
            start, stop = (renamed.get(end, end) for end in (branch.start, branch.stop))
            value = branch.value.xreplace(voltages)
            ends = (min(start, stop), max(start, stop))
            sums[ends] = sums.get(ends, 0) + (value if ends == (start, stop) else backwards * value)
        plain = {ends: sympy.expand(rewrite(value, (sign_outside,), {})) for ends, value in sums.items()}
        found.append({ends: value for ends, value in plain.items() if value != 0})
    return tuple(found)
