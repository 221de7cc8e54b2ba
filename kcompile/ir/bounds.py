"""Interval arithmetic on laws: what an expression can be when its symbols lie between bounds, column by column.

The bounds hold for the meaning that `meaning.py` gives each operator. After each inexact operation they are moved outwards
by a few units in the last place. An infinite bound stands for values without limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
import sympy

from kcompile.ir import meaning
from kcompile.ir.expr import OPERATOR_OF, Expression

Bounds = tuple[np.ndarray, np.ndarray]
"""Lower and upper bounds, float64[n] or float64[]; the lower one is not above the upper one."""

_ULPS = 4.0
"""Units in the last place that numpy's functions may be off, and more."""


def bound(expr: Expression, known: Mapping[str, Bounds]) -> Bounds:
    """Bounds of an expression whose symbols have the `known` bounds, by name."""
    return Bounder(known)(expr)


def everywhere() -> Bounds:
    """Bounds of a value that can be anything."""
    return np.asarray(-np.inf), np.asarray(np.inf)


def exactly(values: np.ndarray) -> Bounds:
    """Bounds of known values."""
    return values, values


class Bounder:
    """Bounds of several expressions over the same symbols; common parts are bounded once."""

    def __init__(self, known: Mapping[str, Bounds]) -> None:
        self._known = known
        self._found: dict[Expression, Bounds] = {}

    def __call__(self, expr: Expression) -> Bounds:
        if expr not in self._found:
            with np.errstate(all="ignore"):
                self._found[expr] = self._bound(expr)
        return self._found[expr]

    def _bound(self, expr: Expression) -> Bounds:
        if expr.is_Number:
            return exactly(np.asarray(float(expr)))
        if expr.is_Symbol:
            return self._known[expr.name]
        parts = [self(part) for part in expr.args]
        if isinstance(expr, sympy.Add):
            return reduce(_add, parts)
        if isinstance(expr, sympy.Mul):
            return reduce(_multiply, parts)
        if isinstance(expr, sympy.Pow):
            return _power(parts[0], int(expr.exp))
        return _RULES[OPERATOR_OF[type(expr)]](*parts)


def _outwards(lower: np.ndarray, upper: np.ndarray, ulps: float = _ULPS) -> Bounds:
    """Bounds moved apart by what rounding may have moved them together; undefined ones are open."""
    lower = np.where(np.isnan(lower), -np.inf, lower)
    upper = np.where(np.isnan(upper), np.inf, upper)
    # A bound of zero stays: the functions here give an exact zero where they give one.
    low = np.where(np.isfinite(lower) & (lower != 0), lower - ulps * np.spacing(np.abs(lower)), lower)
    high = np.where(np.isfinite(upper) & (upper != 0), upper + ulps * np.spacing(np.abs(upper)), upper)
    return low, high


def _add(a: Bounds, b: Bounds) -> Bounds:
    low, high = a[0] + b[0], a[1] + b[1]
    return _exact_where(_is(a, 0.0) | _is(b, 0.0), low, high)


def _multiply(a: Bounds, b: Bounds) -> Bounds:
    # Zero times an open bound is zero: the value behind the bound is finite.
    corners = [np.where((x == 0) | (y == 0), 0.0, x * y) for x in a for y in b]
    exact = _is(a, 1.0) | _is(b, 1.0) | _is(a, -1.0) | _is(b, -1.0)
    return _exact_where(exact, reduce(np.minimum, corners), reduce(np.maximum, corners))


def _is(x: Bounds, value: float) -> np.ndarray:
    return (x[0] == value) & (x[1] == value)


def _exact_where(exact: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Bounds:
    """Bounds moved apart where the operation that gave them rounds: a difference of equal voltages is 0 and stays 0."""
    low, high = _outwards(lower, upper)
    return np.where(exact & ~np.isnan(lower), lower, low), np.where(exact & ~np.isnan(upper), upper, high)


def _power(x: Bounds, exponent: int) -> Bounds:
    """A whole positive power, in the products that a kernel computes."""
    low, high = x[0] ** exponent, x[1] ** exponent
    if exponent % 2:
        return _outwards(low, high, _ULPS + exponent)
    least = np.where((x[0] <= 0) & (x[1] >= 0), 0.0, np.minimum(low, high))
    return _outwards(least, np.maximum(low, high), _ULPS + exponent)


def _rising(function: Callable[[np.ndarray], np.ndarray], exact: bool = False) -> Callable[[Bounds], Bounds]:
    def apply(x: Bounds) -> Bounds:
        low, high = function(x[0]), function(x[1])
        return (low, high) if exact else _outwards(low, high)

    return apply


def _recip(x: Bounds) -> Bounds:
    one_side = (x[0] > 0) | (x[1] < 0)
    low, high = meaning.recip(x[1]), meaning.recip(x[0])
    low = np.where(one_side, low, np.where(x[0] >= 0, low, -1.0 / meaning.SMALLEST))
    return _outwards(low, np.where(one_side, high, 1.0 / meaning.SMALLEST))


def _wave(function: Callable[[np.ndarray], np.ndarray], top: float) -> Callable[[Bounds], Bounds]:
    """sin or cos; `top` is where it is 1. Far from zero a float is no longer near one place of the wave."""
    def apply(x: Bounds) -> Bounds:
        known = (np.abs(x[0]) < 1e8) & (np.abs(x[1]) < 1e8)
        low, high = (np.where(known, end, 0.0) for end in x)

        def reaches(place: float) -> np.ndarray:
            return ~known | (np.ceil((low - place) / (2 * np.pi) - 1e-7) <= np.floor((high - place) / (2 * np.pi) + 1e-7))

        ends = function(low), function(high)
        lower, upper = _outwards(np.minimum(*ends), np.maximum(*ends))
        return np.where(reaches(top + np.pi), -1.0, lower), np.where(reaches(top), 1.0, upper)

    return apply


def _abs(x: Bounds) -> Bounds:
    low, high = np.abs(x[0]), np.abs(x[1])
    return np.where((x[0] <= 0) & (x[1] >= 0), 0.0, np.minimum(low, high)), np.maximum(low, high)


def _leaky_relu(x: Bounds, slope: Bounds) -> Bounds:
    above = np.maximum(x[0], 0.0), np.maximum(x[1], 0.0)
    below = _multiply((np.minimum(x[0], 0.0), np.minimum(x[1], 0.0)), slope)
    positive, negative = x[0] > 0, x[1] <= 0
    low = np.where(positive, above[0], np.where(negative, below[0], np.minimum(below[0], 0.0)))
    high = np.where(positive, above[1], np.where(negative, below[1], np.maximum(below[1], above[1])))
    return low, high


def _each(function: Callable[..., np.ndarray]) -> Callable[[Bounds, Bounds], Bounds]:
    return lambda a, b: (function(a[0], b[0]), function(a[1], b[1]))


def _truth(surely: np.ndarray, maybe: np.ndarray) -> Bounds:
    return np.asarray(surely, dtype=np.float64), np.asarray(maybe, dtype=np.float64)


def _less(a: Bounds, b: Bounds) -> Bounds:
    return _truth(a[1] < b[0], a[0] < b[1])


def _less_or_equal(a: Bounds, b: Bounds) -> Bounds:
    return _truth(a[1] <= b[0], a[0] <= b[1])


def _equal(a: Bounds, b: Bounds) -> Bounds:
    return _truth((a[0] == a[1]) & (b[0] == b[1]) & (a[0] == b[0]), (a[0] <= b[1]) & (b[0] <= a[1]))


def _negate(x: Bounds) -> Bounds:
    return 1.0 - x[1], 1.0 - x[0]


def _select(condition: Bounds, then: Bounds, otherwise: Bounds) -> Bounds:
    always = (condition[0] > 0) | (condition[1] < 0)
    never = (condition[0] == 0) & (condition[1] == 0)
    low = np.where(always, then[0], np.where(never, otherwise[0], np.minimum(then[0], otherwise[0])))
    high = np.where(always, then[1], np.where(never, otherwise[1], np.maximum(then[1], otherwise[1])))
    return low, high


_RULES: dict[str, Callable[..., Bounds]] = {
    "recip": _recip, "exp": _rising(meaning.exp), "log": _rising(meaning.log), "sqrt": _rising(meaning.sqrt),
    "power": lambda x, exponent: _outwards(meaning.power(x[0], exponent[0]), meaning.power(x[1], exponent[1])),
    "tanh": _rising(np.tanh), "sigmoid": _rising(meaning.sigmoid), "softplus": _rising(meaning.softplus),
    "sin": _wave(np.sin, np.pi / 2), "cos": _wave(np.cos, 0.0), "atan": _rising(np.arctan),
    "relu": _rising(meaning.relu, exact=True), "leaky_relu": _leaky_relu, "abs": _abs,
    "sign": _rising(np.sign, exact=True), "min": _each(np.minimum), "max": _each(np.maximum),
    "lt": _less, "le": _less_or_equal, "eq": _equal, "ne": lambda a, b: _negate(_equal(a, b)),
    "both": _each(np.minimum), "either": _each(np.maximum), "negate": _negate, "select": _select,
}
"""One rule for each operator of `meaning.OPERATIONS`; sums, products and powers are sympy's own."""

