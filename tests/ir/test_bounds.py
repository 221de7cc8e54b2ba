"""Interval arithmetic: every value an expression takes lies between its bounds, and the bounds are not idle."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.ir.bounds import bound, exactly
from kcompile.ir.expr import OPERATOR_OF, potential
from kcompile.sim.kernel import make_kernel
from tests.lower.test_operators import OPERATORS, model

SCALES = (1e-3, 1.0, 40.0, 1e3)


@pytest.mark.parametrize("name", OPERATORS)
def test_values_of_each_operator_lie_between_its_bounds(name: str) -> None:
    [branch] = model(OPERATORS[name][0]).law.currents
    rng = np.random.default_rng(5)
    width = 0
    for scale in SCALES:
        low = rng.normal(size=(2, 300, 1)) * scale
        high = low + rng.exponential(size=(2, 300, 1)) * scale * rng.choice([0.0, 1e-9, 0.1, 3.0], size=(2, 300, 1))
        points = low + (high - low) * rng.choice([0.0, 1.0, 0.5, 0.123], size=(2, 300, 40))
        points = np.clip(points, low, high)
        lower, upper = bound(branch.value, {"V(a)": (low[0], high[0]), "V(b)": (low[1], high[1])})
        value = make_kernel([branch.value], ()).prepare({})({"V(a)": points[0], "V(b)": points[1]})[0]
        value = np.broadcast_to(value, points[0].shape)
        inside = (value >= lower) & (value <= upper) | ~np.isfinite(value)
        assert inside.all(), (value[~inside][:3], np.broadcast_to(lower, value.shape)[~inside][:3])
        width += np.sum(np.isfinite(np.broadcast_to(upper - lower, (300, 1))))
    assert width > 600, "most bounds are finite"


@pytest.mark.parametrize("name", OPERATORS)
def test_bounds_of_a_point_are_its_value(name: str) -> None:
    [branch] = model(OPERATORS[name][0]).law.currents
    a, b = np.random.default_rng(6).normal(size=(2, 500)) * 3
    lower, upper = bound(branch.value, {"V(a)": exactly(a), "V(b)": exactly(b)})
    value = make_kernel([branch.value], ()).prepare({})({"V(a)": a, "V(b)": b})[0]
    scale = 1e-9 * (1 + np.abs(value))
    assert np.all(lower <= value) and np.all(value <= upper)
    if name != "sin" and name != "cos":  # near a top or a bottom these may say it is reached
        assert np.all(upper - lower <= scale)


def test_open_bounds_close_where_an_operator_saturates() -> None:
    everything = {"V(a)": (np.asarray(-np.inf), np.asarray(np.inf)), "V(b)": (np.asarray(0.0), np.asarray(np.inf))}
    def of(text: str) -> tuple[float, float]:
        low, high = bound(model(text).law.currents[0].value, everything)
        return float(low), float(high)

    assert of("tanh(V(a) / 1 V)") == pytest.approx((-1, 1))
    assert of("max(min(V(a) / 1 V, 2), -3)") == (-3, 2)
    assert of("relu(V(b) / 1 V)") == (0, np.inf)
    assert of("sigmoid(V(b) / 1 V)") == pytest.approx((0.5, 1))
    assert of("pow(V(a) / 1 V, 2)") == (0, np.inf)
    assert of("if(V(b) < 0 V, 5, tanh(V(b) / 1 V))") == pytest.approx((0, 1))
    assert of("1 / (1 + V(b) / 1 V)") == pytest.approx((0, 1))


def test_every_operator_has_a_rule() -> None:
    from kcompile.ir.bounds import _RULES

    assert set(OPERATOR_OF.values()) == set(_RULES)


def test_laws_of_random_programs() -> None:
    rng = np.random.default_rng(8)
    checked = 0
    for seed in range(60):
        for one in kc.compile(kc.Source("t.kc", random_program(seed)), top="Top").models:
            symbols = sorted({s.name for branch in one.law.currents for s in branch.value.free_symbols})
            low = {name: rng.normal(size=50) for name in symbols}
            high = {name: low[name] + rng.exponential(size=50) for name in symbols}
            point = {name: rng.uniform(low[name], high[name]) for name in symbols}
            for branch in one.law.currents:
                lower, upper = bound(branch.value, {name: (low[name], high[name]) for name in symbols})
                value = make_kernel([branch.value], ()).prepare({})(point)[0]
                assert np.all((lower <= value) & (value <= upper) | ~np.isfinite(value))
                checked += 1
    assert checked > 100
    assert potential("gnd") == 0
