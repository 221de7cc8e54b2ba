"""The bound of the rates holds in every state, and is near where it can be."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from kcompile.sim.pack import System
from kcompile.sim.stability import Stability, rate_bounds

HEAD = "use std.kirchhoff: ShiftRelu, ShiftTanh; use std.compute: Multiplier; use std.passive: Capacitor, Inductor, Resistor;"


def bounds(body: str, volts: float = np.inf) -> tuple[System, np.ndarray]:
    system = System(kc.compile(kc.Source("case.kc", f"{HEAD} circuit Case {{ {body} }}")))
    limit = np.full(system.circuit.nodes.count, volts)
    return system, rate_bounds(system, -limit, limit)


def test_conductances_alone_have_the_bound_of_their_graph() -> None:
    """Two equal nodes joined by 1 S: rates 0 and 2 per second, and Gershgorin's bound is exact."""
    _, found = bounds("node x[2]; Capacitor(n, gnd) { c = 1 F } for n in x; Resistor(x[0], x[1]) { r = 1 Ohm };")
    assert found == pytest.approx([2.0], rel=1e-9)


def test_a_ramp_that_is_off_counts_as_if_it_were_on() -> None:
    body = "node a; Capacitor(a, gnd) { c = 2 F }; ShiftRelu(a, gnd) { k = 8 S, th = 3 V };"
    assert bounds(body)[1] == pytest.approx([4.0], rel=1e-9)
    assert bounds(body, 2.5)[1] == [0.0]  # where it can never be on


def test_unequal_units_do_not_loosen_the_bound() -> None:
    """L and C swap energy at 1 / sqrt(L C), though amperes and volts differ by a million."""
    _, found = bounds("node a; Capacitor(a, gnd) { c = 1 uF }; Inductor(a, gnd) { l = 1 H };")
    assert found == pytest.approx([1e3], rel=0.01)


def test_voltages_without_limit_give_no_bound_for_a_product() -> None:
    body = "node a, b; Capacitor(n, gnd) { c = 1 F } for n in a + b; Multiplier(a, b, b) { k = 2 A/V^2 };"
    assert bounds(body)[1] == [np.inf]
    _, found = bounds(body, 3.0)
    assert 6.0 <= found[0] < 6.5


def test_no_state_is_faster_than_the_bound() -> None:
    rng = np.random.default_rng(0)
    lines = ["node x[6], u; drive u = sin(0 V, 1 V, 1 Hz); Capacitor(x[k], gnd) { c = 1 F + 0.3 F * k } for k in 0..6;",
             "Capacitor(x[0], x[3]) { c = 0.5 F }; Capacitor(u, x[1]) { c = 0.2 F }; Inductor(x[2], x[4]) { l = 0.5 H };"]
    for phase in ("p", "q"):
        lines.append(f"phase {phase} for 1 s {{")
        for _ in range(12):
            a, b = rng.choice(["x[0]", "x[1]", "x[2]", "x[3]", "x[4]", "x[5]", "u"], 2, replace=False)
            k, th = (float(v) for v in rng.normal(size=2))
            lines.append(f"ShiftRelu({a}, {b}) {{ k = {3 * k!r} S, th = {th!r} V }};")
            lines.append(f"ShiftTanh({b}, {a}) {{ i0 = {k!r} A, th = {th!r} V }};")
        lines.append("}")
    system, found = bounds("\n".join(lines))
    seen = np.zeros(2)
    for _ in range(300):
        y, time = rng.normal(size=system.size) * rng.choice([0.3, 1.0, 3.0]), rng.uniform(0, 2)
        for k in range(2):
            seen[k] = max(seen[k], np.abs(np.linalg.eigvals(system.jacobian(k, time, y).toarray())).max())
    assert np.all(seen <= found)
    assert np.all(found < 6 * seen)


def test_steps_are_measured_against_the_longest_stable_one() -> None:
    one = Stability(np.array([10.0, 2.0]), np.array([0.1, 1.0]), 2.5)
    np.testing.assert_allclose(one.longest, [0.25, 1.25])
    assert one.share == pytest.approx(0.8)
    assert Stability(np.array([np.inf]), np.array([0.1]), 2.5).share == np.inf
    assert Stability(np.array([0.0]), np.array([0.1]), 2.5).share == 0.0
    assert Stability(np.array([np.inf]), np.array([0.1]), np.inf).share == 0.0  # an implicit method
