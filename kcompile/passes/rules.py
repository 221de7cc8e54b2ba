"""Local rules on laws, each exact for every float, and their application to a fixed point.

A rule gets an expression whose parts are already simplified and gives what it equals, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import sympy

from kcompile.ir import expr as law
from kcompile.ir.bounds import Bounder, Bounds
from kcompile.ir.expr import OPERATOR_OF, Expression, number, whole_numbers
from kcompile.ir.meaning import EXPONENT_LIMIT, OPERATIONS, SMALLEST

MAX_ROUNDS = 20
"""Times that the rules go over a law; each round makes it shorter, so few are needed."""

Know = Callable[[Expression], Bounds]
Rule = Callable[[Expression, Know], Expression | None]

_TRUTHS = (law.lt, law.le, law.eq, law.ne, law.both, law.either, law.negate)
_ODD = (law.tanh, law.sin, law.atan, law.sign)
_EVEN = (law.cos, law.abs_)


def rewrite(expr: Expression, rules: Sequence[Rule], known: Mapping[str, Bounds]) -> Expression:
    """Expression after the rules, to a fixed point; `known` bounds its symbols."""
    for _ in range(MAX_ROUNDS):
        changed = whole_numbers(_Round(rules, known).visit(expr))
        if changed == expr:
            break
        expr = changed
    return expr


class _Round:
    def __init__(self, rules: Sequence[Rule], known: Mapping[str, Bounds]) -> None:
        self._rules = rules
        self._know = Bounder(known)
        self._done: dict[Expression, Expression] = {}

    def visit(self, expr: Expression) -> Expression:
        if not expr.args:
            return expr
        if expr not in self._done:
            parts = [self.visit(part) for part in expr.args]
            made = expr if all(a is b for a, b in zip(parts, expr.args, strict=True)) else expr.func(*parts)
            for rule in self._rules:
                found = rule(made, self._know) if made.args else None
                if found is not None:
                    made = found
            self._done[expr] = made
        return self._done[expr]


# ---- the rules --------------------------------------------------------------------------------------------------------


def constant(expr: Expression, know: Know) -> Expression | None:
    """An operator on numbers is the number that `meaning.py` gives."""
    if type(expr) not in OPERATOR_OF or not all(part.is_Number for part in expr.args):
        return None
    with np.errstate(all="ignore"):
        value = float(OPERATIONS[OPERATOR_OF[type(expr)]](*(float(part) for part in expr.args)))
    return number(value) if np.isfinite(value) else None


def decided(expr: Expression, know: Know) -> Expression | None:
    """A comparison that the limits decide, and what hangs on it."""
    if isinstance(expr, law.lt | law.le | law.eq | law.ne):
        if expr.args[0] == expr.args[1]:
            return sympy.Integer(int(isinstance(expr, law.le | law.eq)))
        low, high = know(expr)
        return sympy.Integer(int(low)) if low == high else None
    if isinstance(expr, law.both | law.either):
        decisive = 0 if isinstance(expr, law.both) else 1
        if decisive in expr.args:
            return sympy.Integer(decisive)
        return next((expr.args[1 - k] for k in (0, 1) if expr.args[k] == 1 - decisive), None)
    if isinstance(expr, law.negate):
        inner = expr.args[0]
        if isinstance(inner, law.negate) and isinstance(inner.args[0], _TRUTHS):
            return inner.args[0]
        return {law.lt: lambda a, b: law.le(b, a), law.le: lambda a, b: law.lt(b, a), law.eq: law.ne, law.ne: law.eq}[
            type(inner)](*inner.args) if isinstance(inner, law.lt | law.le | law.eq | law.ne) else None
    if isinstance(expr, law.select):
        condition, then, otherwise = expr.args
        if then == otherwise:
            return then
        if condition.is_Number:
            return then if condition != 0 else otherwise
        if isinstance(condition, law.negate):
            return law.select(condition.args[0], otherwise, then)
    return None


def one_sided(expr: Expression, know: Know) -> Expression | None:
    """A function with a corner, on the side of the corner where the limits put its argument."""
    if isinstance(expr, law.relu | law.abs_ | law.leaky_relu):
        x = expr.args[0]
        low, high = know(x)
        if low >= 0:
            return x
        if high <= 0:
            return {law.relu: sympy.Integer(0), law.abs_: -x}[type(expr)] if len(expr.args) == 1 else expr.args[1] * x
        if isinstance(expr, law.leaky_relu) and expr.args[1] in (0, 1):
            return x if expr.args[1] == 1 else law.relu(x)
    if isinstance(expr, law.sign):
        low, high = know(expr)
        return sympy.Integer(int(low)) if low == high else None
    if isinstance(expr, law.min_ | law.max_):
        a, b = expr.args if isinstance(expr, law.min_) else reversed(expr.args)
        # min(a, b) is a where a is nowhere above b; max(a, b) is b there
        if a == b or know(a)[1] <= know(b)[0]:
            return expr.args[0]
        if know(b)[1] <= know(a)[0]:
            return expr.args[1]
    return None


def sign_outside(expr: Expression, know: Know) -> Expression | None:
    """f(-x) is -f(x) or f(x): one form of each, and the sign joins the sum around it."""
    if isinstance(expr, _ODD + _EVEN) and expr.args[0].could_extract_minus_sign():
        positive = type(expr)(-expr.args[0])
        return -positive if isinstance(expr, _ODD) else positive
    return None


def inverse(expr: Expression, know: Know) -> Expression | None:
    """A function of its inverse, where neither is clamped."""
    def inside(x: Expression, lower: float, upper: float) -> bool:
        low, high = know(x)
        return bool(low >= lower and high <= upper)

    if isinstance(expr, law.exp) and isinstance(expr.args[0], law.log):
        x = expr.args[0].args[0]
        return x if inside(x, SMALLEST, np.exp(EXPONENT_LIMIT)) else None
    if isinstance(expr, law.log) and isinstance(expr.args[0], law.exp):
        x = expr.args[0].args[0]
        return x if inside(x, np.log(SMALLEST), EXPONENT_LIMIT) else None
    if isinstance(expr, law.recip) and isinstance(expr.args[0], law.recip):
        x = expr.args[0].args[0]
        return x if inside(x, SMALLEST, 1 / SMALLEST) or inside(-x, SMALLEST, 1 / SMALLEST) else None
    if isinstance(expr, sympy.Pow) and isinstance(expr.base, law.sqrt) and expr.exp % 2 == 0:
        x = expr.base.args[0]
        return x ** (expr.exp / 2) if inside(x, 0.0, np.inf) else None
    if isinstance(expr, sympy.Mul):
        powers: dict[Expression, Expression] = dict(part.as_base_exp() for part in expr.args)
        for base, exponent in powers.items():
            x = base.args[0] if isinstance(base, law.recip) else None
            if x is not None and x in powers and inside(law.abs_(x), SMALLEST, np.inf):
                both = min(exponent, powers[x])
                left = {**powers, base: exponent - both, x: powers[x] - both}
                return sympy.Mul(*(one**power for one, power in left.items()))
    return None


def common_factor(expr: Expression, know: Know) -> Expression | None:
    """a x + b x is (a + b) x: one product instead of two."""
    if not isinstance(expr, sympy.Add):
        return None
    factors = [sympy.Mul.make_args(term) for term in expr.args]
    shared = [factor for factor in factors[0] if not factor.is_Number and all(factor in others for others in factors[1:])]
    if not shared:
        return None
    rest = [sympy.Mul(*_without(term, shared)) for term in factors]
    return sympy.Mul(sympy.Add(*rest), *shared)


def _without(factors: Sequence[Expression], taken: Sequence[Expression]) -> list[Expression]:
    left = list(factors)
    for one in taken:
        left.remove(one)
    return left


CONSTANT: tuple[Rule, ...] = (constant,)
ALL: tuple[Rule, ...] = (constant, decided, one_sided, sign_outside, inverse, common_factor)
