"""Where a law has kinks: expressions whose sign says which piece of it holds, and what they do within a step."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import sympy

from kcompile.ir import expr
from kcompile.ir.expr import Expression

_OF_ONE = (expr.relu, expr.leaky_relu, expr.abs_, expr.sign, expr.sqrt, expr.power)
_OF_TWO = (expr.min_, expr.max_, expr.lt, expr.le, expr.eq, expr.ne)


_NEAR = 0.1
"""Part of the way towards 0 that a cubic may be wrong by."""
_INSIDE = 1e-4


def kinks(outputs: Iterable[Expression], constant: Iterable[str]) -> tuple[Expression, ...]:
    """Arguments of ramps and differences of what is compared, each once, that read more than the symbols named `constant`."""
    found: dict[Expression, None] = {}
    for output in outputs:
        for one in sympy.preorder_traversal(output):
            if isinstance(one, _OF_ONE):
                found[one.args[0]] = None
            elif isinstance(one, _OF_TWO):
                found[one.args[0] - one.args[1]] = None
    return tuple(one for one in found if not {symbol.name for symbol in one.free_symbols} <= set(constant))


def first_touch(start: np.ndarray, start_slopes: np.ndarray, end: np.ndarray, end_slopes: np.ndarray) -> float | None:
    """Part of a step after which a kink is nearest that comes near 0 and goes again, by cubics through both ends.

    float64[kinks] each; slopes are per step. None where no kink does: one that ends on the other side is seen there.
    """
    side = np.where(start > 0.0, 1.0, -1.0)
    a, b, down, up = side * start, side * end, side * start_slopes, side * end_slopes
    turns = np.flatnonzero((b > 0.0) & (down < 0.0) & (up > 0.0))
    a, b, down, up = (values[turns] for values in (a, b, down, up))
    # The derivative of the cubic is down + 2 q s + 3 r s^2; it is negative at 0 and positive at 1.
    r = down + up - 2.0 * (b - a)
    q = 3.0 * (b - a) - 2.0 * down - up
    s = -down / (q + np.sqrt(np.maximum(q * q - 3.0 * r * down, 0.0)))
    least = a + s * (down + s * (q + s * r))
    near = s[(least < _NEAR * (a - least)) & (s > _INSIDE) & (s < 1.0 - _INSIDE)]
    return float(near.min()) if len(near) else None


def first_crossing(start: np.ndarray, start_slopes: np.ndarray, end: np.ndarray, end_slopes: np.ndarray) -> float:
    """Part of a step after which the first kink is crossed that is on another side at the end, by cubics; 0 where none is.

    Arguments as of `first_touch`.
    """
    crossed = np.flatnonzero((start > 0.0) != (end > 0.0))
    a, b, down, up = (values[crossed] for values in (start, end, start_slopes, end_slopes))
    low, high = np.zeros(len(crossed)), np.ones(len(crossed))
    for _ in range(30):
        s = 0.5 * (low + high)
        value = a + s * (down + s * (3.0 * (b - a) - 2.0 * down - up + s * (down + up - 2.0 * (b - a))))
        same = (value > 0.0) == (a > 0.0)
        low, high = np.where(same, s, low), np.where(same, high, s)
    return float(high.min(initial=1.0)) if len(crossed) else 0.0
