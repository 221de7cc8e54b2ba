"""Order conditions and stability of the methods, and the steps of a run."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from kcompile.sim.schedule import fixed_schedule
from kcompile.sim.tableau import METHODS, Tableau, find_method

EXPLICIT = [one for one in METHODS.values() if not one.diagonal]
IMPLICIT = [one for one in METHODS.values() if one.diagonal]


def growth(method: Tableau, z: complex) -> float:
    """Factor of one step of dy/dt = z y."""
    ones = np.ones(method.stages)
    return abs(1 + z * np.array(method.weights) @ np.linalg.solve(np.eye(method.stages) - z * method.a, ones))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_order_is_seen_on_an_equation_that_is_not_linear(method: Tableau) -> None:
    """dy/dt = y cos t, y = exp(sin t); errors at two step sizes."""
    errors = []
    for steps in (8, 16):
        y, h = 1.0, 2.0 / steps
        for n in range(steps):
            rates = np.zeros(method.stages)
            for i in range(method.stages):
                slope = np.cos(n * h + method.c[i] * h)
                rates[i] = (y + h * method.a[i] @ rates) * slope / (1 - h * method.a[i, i] * slope)
            y += h * np.array(method.weights) @ rates
        errors.append(abs(y - np.exp(np.sin(2.0))))
    assert np.log2(errors[0] / errors[1]) > method.order - 0.35


@pytest.mark.parametrize("method", EXPLICIT, ids=lambda one: one.name)
def test_the_reach_is_where_growth_begins(method: Tableau) -> None:
    assert growth(method, -0.999 * method.reach) <= 1.0 < growth(method, -1.002 * method.reach)


@pytest.mark.parametrize("method", IMPLICIT, ids=lambda one: one.name)
def test_an_implicit_method_damps_what_is_far_left_and_never_amplifies(method: Tableau) -> None:
    assert growth(method, -1e6) < 1e-5
    for z in np.geomspace(1e-3, 1e6, 200):
        assert all(growth(method, direction * z) <= 1 + 1e-12 for direction in (-1, -1 + 1j, 1j))
    np.testing.assert_allclose(method.a[-1], method.weights, rtol=0, atol=1e-15)  # the last stage is the step
    assert method.c[0] == 0.0
    assert method.c[-1] == pytest.approx(1.0, abs=1e-15)


def test_error_weights_see_no_polynomial_of_order_four() -> None:
    method = find_method("tsit5")
    assert method.error is not None
    for power in range(4):
        assert abs(np.array(method.error) @ method.c**power) < 1e-14
    assert abs(np.array(method.error) @ method.c**4) > 1e-5


def test_no_step_reaches_over_a_corner() -> None:
    circuit = kc.compile(kc.Source("s.kc", """use std.passive: Resistor, Capacitor;
        circuit S {
            node x, y;
            drive x = pulse(0 V, 1 V, rise = 0.1 s, width = 0.25 s, period = 9 s);
            Capacitor(y, gnd) { c = 1 F };
            phase p for 1 s { Resistor(x, y) { r = 1 Ohm }; }
            phase q for 0.5 s { Resistor(x, y) { r = 2 Ohm }; }
        }"""))
    schedule = fixed_schedule(circuit, 4)
    assert schedule.starts[0] == 0.0
    np.testing.assert_allclose(schedule.starts[1:], schedule.ends[:-1], rtol=1e-12)
    assert schedule.ends[-1] == pytest.approx(1.5, rel=1e-12)
    for corner in (0.1, 0.35, 1.0):
        assert np.abs(schedule.starts - corner).min() < 1e-9
    assert np.all(np.diff(schedule.slices) >= 0)
    assert np.all(schedule.lengths[schedule.slices == 0] <= 0.25 * (1 + 1e-12))


@pytest.mark.parametrize(("steps", "until"), [(0, None), (1, 0.0), (1, None), (2_000_000, 1.0)])
def test_what_is_no_run_is_refused(steps: int, until: float | None) -> None:
    circuit = kc.compile(kc.Source("s.kc", "use std.passive: Capacitor; circuit S { node x; Capacitor(x, gnd) { c = 1 F }; }"))
    with pytest.raises(kc.UsageError):
        fixed_schedule(circuit, steps, until)
    with pytest.raises(kc.UsageError):
        find_method("rk5")
