"""Steps of the native simulator see ramps that come on between their ends, and keep the tolerance over them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

import kcompile as kc
from kcompile.ir.expr import symbol
from kcompile.sim import piece
from kcompile.sim.integrate import simulate
from kcompile.sim.kinks import first_crossing, first_touch, kinks
from kcompile.sim.waveform import Sources

HEAD = """use std.passive: Capacitor, Resistor; use std.compute: Transconductor; use std.sources: CurrentSource;
    device Pull(a, n) { param g: conductance = 1 S; I(n, gnd) <+ g * relu(V(n) - V(a)); }
    device Tip(a, n) { I(gnd, n) <+ 1 S * relu(V(a) - 0.999 V); }
    device Clamp(n) { param g: conductance = 1 S; I(n, gnd) <+ g * relu(V(n) - 1 V); }"""


def compiled(body: str) -> kc.Circuit:
    return kc.compile(kc.Source("kinks.kc", f"{HEAD} circuit Kinks {{ {body} }}"))


def follower(g: float, times: np.ndarray) -> np.ndarray:
    """Exact n of dn/dt = -g relu(n - cos t) from 0.5, piece by piece: constant, or drawn towards the cosine from above."""
    found, at, n, is_on = np.full(len(times), 0.5), 0.0, 0.5, False
    while at < times[-1]:
        grid = np.linspace(at, times[-1], 100_001)[1:]
        if is_on:
            def followed(t):
                return (g * g * np.cos(t) + g * np.sin(t)) / (1 + g * g)

            rest = n - followed(at)

            def level(t, at=at, rest=rest):
                return followed(t) + rest * np.exp(-g * (t - at))
        else:
            def level(t, n=n):
                return n + 0.0 * t

        def above(t, level=level):
            return level(t) - np.cos(t)

        later = grid[9:]  # at the start of a piece the difference is 0
        other = later[above(later) <= 0.0] if is_on else later[above(later) > 0.0]
        stop = scipy.optimize.brentq(above, other[0] - 2 * (grid[1] - grid[0]), other[0], xtol=1e-15) if len(other) else times[-1]
        inside = (times > at) & (times <= stop)
        found[inside] = level(times[inside])
        at, n, is_on = stop, float(level(stop)), not is_on
    return found


@pytest.mark.parametrize("rtol", [1e-5, 1e-8, 1e-10])
@pytest.mark.parametrize("g", [3.0, 30.0, 100.0, 300.0, 1000.0])
def test_a_ramp_that_comes_on_between_steps_keeps_the_tolerance(g: float, rtol: float) -> None:
    """The second time it is on for 2/g of a period of 2 pi, and a step is half a second long."""
    flat = compiled(f"""node a, b, n; initial a = 1 V; initial n = 0.5 V; Capacitor(x, gnd) {{ c = 1 F }} for x in a + b + n;
        Transconductor(b, a) {{ gm = -1 S }}; Transconductor(a, b) {{ gm = 1 S }}; Pull(a, n) {{ g = {g!r} S }};""")
    waves = kc.simulate(flat, until=12.0, rtol=rtol)
    np.testing.assert_allclose(waves["n"], follower(g, waves.time), rtol=0, atol=10 * rtol)


def test_a_ramp_that_is_on_at_the_tips_of_a_sine_is_not_leaped_over() -> None:
    """1.4 % of each period, from a start where nothing happens and steps grow without limit."""
    flat = compiled("node a, n; drive a = sin(0 V, 1 V, 1 kHz); Tip(a, n); Capacitor(n, gnd) { c = 1 uF };")
    angle = np.arccos(0.999)
    area = (np.sin(angle) - 0.999 * angle) / (np.pi * 1e3 * 1e-6)
    found = kc.simulate(flat, until=0.01, points=11)["n"]
    np.testing.assert_allclose(found[1:], area * np.arange(1, 11), rtol=1e-6)


def test_a_circuit_with_more_kinks_than_are_watched_relies_on_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = compiled("node a, n; drive a = sin(0 V, 1 V, 1 kHz); Tip(a, n); Capacitor(n, gnd) { c = 1 uF };")
    watched = kc.simulate(flat, until=0.01, points=2)["n"][-1]
    monkeypatch.setattr(piece, "MAX_KINKS", 0)
    assert kc.simulate(flat, until=0.01, points=2)["n"][-1] < 0.1 * watched


@pytest.mark.parametrize("g", [10.0, 1e3, 1e6])
def test_a_clamp_of_any_strength_that_is_off_at_the_start_keeps_the_tolerance(g: float) -> None:
    """1 A charges 1 F; from 1 s on the clamp takes it, at a rate that nothing told before."""
    flat = compiled(f"node n; Capacitor(n, gnd) {{ c = 1 F }}; Clamp(n) {{ g = {g!r} S }}; "
                    "CurrentSource(gnd, n) { i = dc(1 A) };")
    waves = kc.simulate(flat, until=1.5, points=2001)
    after = np.maximum(waves.time - 1.0, 0.0)
    np.testing.assert_allclose(waves["n"], np.where(waves.time < 1.0, waves.time, 1.0 - np.expm1(-g * after) / g), atol=5e-8)


def test_a_network_of_ramps_keeps_the_tolerance() -> None:
    rng = np.random.default_rng(0)
    lines = [f"ShiftRelu(x[{a}], x[{b}]) {{ k = {float(k)!r} S, th = {float(th)!r} V }};" for a, b, k, th in (
        (*rng.choice(12, 2, replace=False), 0.7 * rng.normal(), rng.normal()) for _ in range(60))]
    lines += [f"initial x[{k}] = {float(v)!r} V;" for k, v in enumerate(rng.normal(size=12))]
    flat = kc.compile(kc.Source("net.kc", "use std.passive: Capacitor; use std.kirchhoff: ShiftRelu; circuit Net { node x[12];"
                                "Capacitor(n, gnd) { c = 1 F } for n in x; " + "\n".join(lines) + "}"))
    times = np.linspace(0.0, 1.0, 101)
    one, fine = (simulate(flat, until=1.0, times=times, rtol=rtol).values for rtol in (1e-7, 1e-12))
    np.testing.assert_allclose(one, fine, rtol=0, atol=5e-6 * max(1.0, np.abs(fine).max()))


def test_cubics_find_where_a_kink_is_crossed_and_where_it_is_nearest() -> None:
    def cubic(*roots: float):
        line = np.polynomial.Polynomial.fromroots(roots)
        return np.array([line(0.0), line.deriv()(0.0), line(1.0), line.deriv()(1.0)])[:, None]

    assert first_crossing(*cubic(0.3, 2.0, -1.0)) == pytest.approx(0.3, abs=1e-8)
    assert first_crossing(*np.concatenate([cubic(0.3, 2.0, -1.0), cubic(0.2, 3.0, 1.5)], axis=1)) == pytest.approx(0.2, abs=1e-8)
    assert first_crossing(*cubic(2.0, 3.0, 4.0)) == 0.0
    assert first_touch(*cubic(0.4, 0.6, -9.0)) == pytest.approx(0.5, abs=0.01)
    assert first_touch(*-cubic(0.4, 0.6, -9.0)) == pytest.approx(0.5, abs=0.01)
    assert first_touch(*cubic(0.3, 2.0, -1.0)) is None  # crossed, not touched
    assert first_touch(*cubic(2.0, 3.0, 4.0)) is None
    far = cubic(0.4, 0.6, -9.0)
    far[[0, 2]] += 100.0
    assert first_touch(*far) is None


def test_kinks_of_a_law_are_what_its_pieces_depend_on() -> None:
    flat = compiled("node a, n; drive a = dc(1 V); Pull p(a, n); Capacitor(n, gnd);")
    law = next(table for table in flat.tables if table.model.name == "Pull").model.law
    (found,) = kinks([branch.value for branch in law.currents], ["g"])
    assert found == symbol("V(n)") - symbol("V(a)")
    assert kinks([branch.value for branch in law.currents], ["V(n)", "V(a)"]) == ()


def test_tips_of_a_damped_sine_are_where_its_slope_is_zero() -> None:
    flat = compiled("node a; drive a = sin(0.5 V, 2 V, 3 Hz, 0.1 s, 4 Hz, 30);")
    sources = Sources(flat.stimuli[0].wave)
    at, tips = 0.0, []
    for _ in range(5):
        at = sources.next_extreme(at)
        tips.append(at)
    assert tips[0] > 0.1
    np.testing.assert_allclose(np.diff(tips), 1 / 6, rtol=1e-9)
    for tip in tips:
        assert abs(sources.rate(tip, tip)[0]) < 1e-9
