"""Derivatives of every operator of laws against central differences, and the sides they take at kinks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy

from kcompile.ir import expr, meaning
from kcompile.ir.expr import OPERATOR_OF, number, raised, symbol

X, Y, Z = symbol("x"), symbol("y"), symbol("z")
STEP = 1e-5


def value(tree: object, **at: float) -> float:
    """A tree evaluated by the meanings of `meaning.py`, independently of the kernels of the simulator."""
    if isinstance(tree, sympy.Symbol):
        return at[tree.name]
    if isinstance(tree, sympy.Number):
        return float(tree)
    assert isinstance(tree, sympy.Basic)
    operands = [value(argument, **at) for argument in tree.args]
    if isinstance(tree, sympy.Add):
        return sum(operands)
    if isinstance(tree, sympy.Mul):
        return math.prod(operands)
    if isinstance(tree, sympy.Pow):
        with np.errstate(over="ignore"):  # infinite, in the branch of a choice that is not taken
            return float(np.float64(operands[0]) ** int(operands[1]))
    return float(meaning.OPERATIONS[OPERATOR_OF[type(tree)]](*operands))


# Operator, its arguments, and whether a point (x, y, z) lies clear of its kinks and of the ends of its domain.
SMOOTH = {
    "recip": (expr.recip(X), lambda x, y, z: abs(x) > 0.1),
    "exp": (expr.exp(X), lambda x, y, z: True),
    "log": (expr.log(X), lambda x, y, z: abs(x) > 0.1),
    "sqrt": (expr.sqrt(X), lambda x, y, z: abs(x) > 0.1),
    "power": (expr.power(X, number(1.7)), lambda x, y, z: abs(x) > 0.1),
    "power below one": (expr.power(X, number(0.3)), lambda x, y, z: abs(x) > 0.1),
    "tanh": (expr.tanh(X), lambda x, y, z: True),
    "sigmoid": (expr.sigmoid(X), lambda x, y, z: True),
    "softplus": (expr.softplus(X), lambda x, y, z: abs(x) > 1e-3),
    "sin": (expr.sin(X), lambda x, y, z: True),
    "cos": (expr.cos(X), lambda x, y, z: True),
    "atan": (expr.atan(X), lambda x, y, z: True),
    "relu": (expr.relu(X), lambda x, y, z: abs(x) > 1e-3),
    "leaky_relu": (expr.leaky_relu(X, Y), lambda x, y, z: abs(x) > 1e-3),
    "abs": (expr.abs_(X), lambda x, y, z: abs(x) > 1e-3),
    "sign": (expr.sign(X), lambda x, y, z: abs(x) > 1e-3),
    "min": (expr.min_(X, Y), lambda x, y, z: abs(x - y) > 1e-3),
    "max": (expr.max_(X, Y), lambda x, y, z: abs(x - y) > 1e-3),
    "lt": (expr.lt(X, Y), lambda x, y, z: abs(x - y) > 1e-3),
    "le": (expr.le(X, Y), lambda x, y, z: abs(x - y) > 1e-3),
    "eq": (expr.eq(X, Y), lambda x, y, z: abs(x - y) > 1e-3),
    "ne": (expr.ne(X, Y), lambda x, y, z: abs(x - y) > 1e-3),
    "both": (expr.both(expr.lt(X, Y), expr.lt(Y, Z)), lambda x, y, z: min(abs(x - y), abs(y - z)) > 1e-3),
    "either": (expr.either(expr.lt(X, Y), expr.lt(Y, Z)), lambda x, y, z: min(abs(x - y), abs(y - z)) > 1e-3),
    "negate": (expr.negate(expr.lt(X, Y)), lambda x, y, z: abs(x - y) > 1e-3),
    "select": (expr.select(expr.lt(X, Y), X * Z, expr.sin(Z)), lambda x, y, z: abs(x - y) > 1e-3),
    "whole power": (raised(X, 3.0), lambda x, y, z: True),
    "power of nought": (raised(X, 0.0) * Y, lambda x, y, z: True),
    "negative power": (raised(X, -2.0), lambda x, y, z: abs(x) > 0.2),
    "negative fraction": (raised(X, -0.5), lambda x, y, z: abs(x) > 0.2),
    "sums and products": (X * Y * Z - 3 * X + Y * number(0.1), lambda x, y, z: True),
    "inside each other": (expr.tanh(X * expr.exp(-raised(Y, 2.0))) * expr.recip(1 + expr.abs_(Z)), lambda x, y, z: abs(z) > 1e-3),
    "a choice of what overflows": (expr.select(expr.lt(X, 100), expr.sigmoid(X * Y), expr.exp(X * X)), lambda x, y, z: True),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_match_central_differences(name: str) -> None:
    tree, clear = SMOOTH[name]
    rng = np.random.default_rng(5)
    points = [p for p in rng.uniform(-3, 3, (300, 3)).tolist() if clear(*p)][:60]
    assert len(points) == 60
    for variable in (X, Y, Z):
        derivative = sympy.diff(tree, variable)
        assert not derivative.atoms(sympy.Derivative, sympy.Subs)
        for point in points:
            at = dict(zip("xyz", point, strict=True))
            above, below = ({**at, variable.name: at[variable.name] + side} for side in (STEP, -STEP))
            slope = (value(tree, **above) - value(tree, **below)) / (2 * STEP)
            assert value(derivative, **at) == pytest.approx(slope, rel=2e-7, abs=2e-7), (variable, at)


def test_every_operator_has_a_case_and_a_meaning() -> None:
    used = {type(node) for tree, _ in SMOOTH.values() for node in sympy.preorder_traversal(tree)}
    assert set(OPERATOR_OF) <= used
    assert set(OPERATOR_OF.values()) | {"add", "mul"} == set(meaning.OPERATIONS)


@pytest.mark.parametrize(("tree", "wanted"), [
    (expr.relu(X), 0.0), (expr.abs_(X), 0.0), (expr.leaky_relu(X, Y), 0.25), (expr.sign(X), 0.0), (expr.lt(X, 0), 0.0),
    (expr.min_(X, 2 * X), 1.0), (expr.max_(X, 2 * X), 1.0), (expr.min_(2 * X, X), 2.0), (expr.max_(2 * X, X), 2.0),
    (expr.select(expr.lt(X, 0), X, 3 * X), 3.0), (expr.select(expr.le(X, 0), X, 3 * X), 1.0), (expr.power(X, number(1.5)), 0.0)])
def test_derivatives_at_kinks_are_those_of_the_reference(tree: sympy.Expr, wanted: float) -> None:
    assert value(sympy.diff(tree, X), x=0.0, y=0.25) == wanted


@pytest.mark.parametrize("at", [1e6, -1e6, 800.0, -800.0, 1e-290, -1e-290, 0.0, -0.0, 1e150, 1e300])
@pytest.mark.parametrize("name", [name for name, (tree, _) in SMOOTH.items() if tree.free_symbols == {X} and "whole" not in name])
def test_derivatives_are_numbers_everywhere(name: str, at: float) -> None:
    """Values beyond the range of floating point are infinite at worst; no derivative of a finite point is no number."""
    with np.errstate(over="ignore"):
        assert not math.isnan(value(sympy.diff(SMOOTH[name][0], X), x=at))


@pytest.mark.parametrize(("tree", "other"), [
    (X * expr.recip(X), 1), (expr.sqrt(X**2), expr.abs_(X)), (expr.exp(expr.log(X)), X), (expr.recip(expr.recip(X)), X),
    (expr.relu(expr.relu(X)), expr.relu(X)), (expr.tanh(-X), -expr.tanh(X)), (expr.min_(X, X), X), (expr.lt(X, X), 0)])
def test_nothing_is_rewritten(tree: sympy.Expr, other: object) -> None:
    assert tree != other
    assert tree.subs(Y, Z) == tree


@pytest.mark.parametrize(("tree", "same"), [(X + Y - X, Y), (X + X, 2 * X), (2 * (X + Y), 2 * X + 2 * Y), (X * X, X**2)])
def test_sums_and_products_follow_algebra(tree: sympy.Expr, same: sympy.Expr) -> None:
    assert tree == same


@pytest.mark.parametrize("given", [0.0, -0.0, 1.0, -7.0, 2.0**53, 2.0**53 - 1, 0.1, 1 / 3, 1e300, -1e300, 1e22, 5e-324, 1.7e308])
def test_numbers_are_exact(given: float) -> None:
    assert float(number(given)) == given
    assert float(number(given) * 1) == given


@pytest.mark.parametrize("x", [1.0, -3.0, 1e-299, 1e300, 7.0])
def test_reciprocals_of_numbers_are_folded_to_the_same_value(x: float) -> None:
    assert float(expr.recip(number(x))) == float(meaning.recip(x))
