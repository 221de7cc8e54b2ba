"""Waveforms of the native simulation against closed forms of textbook circuits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.integrate

import kcompile as kc
from kcompile.diagnostics import UsageError
from kcompile.ir.circuit import Circuit
from kcompile.sim.integrate import simulate
from kcompile.sim.result import Waveforms
from kcompile.sim.waveform import Sources

R, C = 2e3, 1e-9
TAU = R * C


def compiled(body: str, uses: str = "Resistor, Conductance, Capacitor, Inductor", head: str = "circuit Top") -> Circuit:
    text = f"use std.passive: {uses};\nuse std.sources: CurrentSource;\n{head} {{\n{body}\n}}\n"
    return kc.compile(kc.Source("closed.kc", text))


def run(body: str, until: float, points: int = 201, rtol: float = 1e-10, head: str = "circuit Top") -> Waveforms:
    return kc.simulate(compiled(body, head=head), until=until, points=points, rtol=rtol)


def driven_rc(wave: str, until: float, points: int = 201, rtol: float = 1e-10) -> Waveforms:
    """R from a driven node to one capacitor that starts at 0.2 V."""
    return run(f"""node vin, out;
        drive vin = {wave};
        initial out = 0.2 V;
        Resistor (vin, out) {{ r = 2 kOhm }};
        Capacitor (out, gnd) {{ c = 1 nF }};""", until, points, rtol)


def convolved(source: Callable[[float], float], corners: list[float], times: np.ndarray) -> np.ndarray:
    """Capacitor voltage as the convolution integral of the source, piece by smooth piece."""
    found, at, v = [], 0.0, 0.2
    for t in times:
        for a, b in zip([at, *(c for c in corners if at < c < t)], [*(c for c in corners if at < c < t), t], strict=True):
            area = scipy.integrate.quad(lambda s, b=b: source(s) * np.exp((s - b) / TAU) / TAU, a, b, epsabs=1e-15,
                                        epsrel=1e-13)[0]
            v = v * np.exp((a - b) / TAU) + area
        at = t
        found.append(v)
    return np.array(found)


# ---- one capacitor ----------------------------------------------------------------------------------------------------


def test_rc_discharges_exponentially() -> None:
    found = run("node a; initial a = 3 V; Resistor(a, gnd) { r = 2 kOhm }; Capacitor(a, gnd) { c = 1 nF };", 5 * TAU)
    np.testing.assert_allclose(found["a"], 3 * np.exp(-found.time / TAU), rtol=1e-9)


def test_rc_charges_towards_a_driven_node() -> None:
    found = driven_rc("dc(1.5 V)", 8 * TAU)
    np.testing.assert_allclose(found["out"], 1.5 - 1.3 * np.exp(-found.time / TAU), rtol=1e-9)
    np.testing.assert_array_equal(found["vin"], 1.5)


@pytest.mark.parametrize(("frequency", "phase"), [(3e5, 0.0), (3e5, 30.0), (2e4, -120.0)])
def test_rc_driven_by_a_sine(frequency: float, phase: float) -> None:
    found = driven_rc(f"sin(0.1 V, 2 V, {frequency!r} Hz, phase = {phase!r})", 20e-6)
    w, t = 2 * np.pi * frequency, found.time
    theta = np.deg2rad(phase)
    # v' = (u - v)/tau with u = 0.1 + 2 sin(wt + theta): the steady part is a sine behind by atan(w tau).
    steady = 0.1 + 2 / np.hypot(1, w * TAU) * np.sin(w * t + theta - np.arctan(w * TAU))
    wanted = steady + (0.2 - steady[0]) * np.exp(-t / TAU)
    np.testing.assert_allclose(found["out"], wanted, atol=1e-9)


def test_rc_driven_by_a_delayed_damped_sine() -> None:
    found = driven_rc("sin(0.1 V, 2 V, 300 kHz, delay = 3 us, damping = 1e5 Hz, phase = 45)", 20e-6, points=81)

    def source(t: float) -> float:
        s = max(t - 3e-6, 0.0)
        return 0.1 + 2 * np.exp(-1e5 * s) * np.sin(2 * np.pi * 3e5 * s + np.pi / 4)

    np.testing.assert_allclose(found["out"], convolved(source, [3e-6], found.time), atol=2e-9)


def test_rc_driven_by_a_pulse_train() -> None:
    found = driven_rc("pulse(-1 V, 2 V, delay = 1 us, rise = 0.5 us, fall = 0.25 us, width = 1.5 us, period = 4 us)", 14e-6,
                      points=141)

    def source(t: float) -> float:
        s = t - 1e-6
        s = s % 4e-6 if s > 0 else 0.0
        return float(np.interp(s, [0, 0.5e-6, 2e-6, 2.25e-6, 4e-6], [-1, 2, 2, -1, -1]))

    edges = [1e-6 + k * 4e-6 + e for k in range(4) for e in (0, 0.5e-6, 2e-6, 2.25e-6)]
    np.testing.assert_allclose(found["out"], convolved(source, edges, found.time), atol=1e-9)


def test_a_pulse_much_shorter_than_the_time_is_not_stepped_over() -> None:
    """The area of a spike of 1 ps in 1 ms arrives on the capacitor: rise, top and fall give 2 ps x 1 kV."""
    found = driven_rc("pulse(0 V, 1000 V, delay = 0.5 ms, rise = 1 ps, fall = 1 ps, width = 1 ps)", 0.5e-3 + TAU, points=3)
    wanted = 1000 * 2e-12 / TAU * np.exp(-1.0)
    np.testing.assert_allclose(found["out"][-1], wanted, rtol=1e-5)


def test_rc_driven_by_points() -> None:
    points = np.array([[1e-6, -1.0], [2e-6, 3.0], [2.1e-6, 0.5], [9e-6, 0.5], [12e-6, 2.0]])
    text = ", ".join(f"{t!r} s, {v!r} V" for t, v in points.tolist())
    found = driven_rc(f"pwl({text})", 15e-6, points=76)
    wanted = convolved(lambda t: float(np.interp(t, points[:, 0], points[:, 1])), points[:, 0].tolist(), found.time)
    np.testing.assert_allclose(found["out"], wanted, atol=1e-9)


def test_rc_driven_by_exponentials() -> None:
    found = driven_rc("exp(0.5 V, 2 V, rise_delay = 1 us, rise_tau = 0.3 us, fall_delay = 6 us, fall_tau = 5 us)", 20e-6,
                      points=81)

    def source(t: float) -> float:
        up = 1 - np.exp(-max(t - 1e-6, 0.0) / 0.3e-6)
        down = 1 - np.exp(-max(t - 6e-6, 0.0) / 5e-6)
        return 0.5 + 1.5 * up - 1.5 * down

    np.testing.assert_allclose(found["out"], convolved(source, [1e-6, 6e-6], found.time), atol=1e-9)


def test_a_current_source_fills_a_capacitor_in_its_direction() -> None:
    found = run("node a; Capacitor(a, gnd) { c = 1 nF }; CurrentSource(gnd, a) { i = dc(2 mA) };", 1e-6)
    np.testing.assert_allclose(found["a"], 2e-3 / 1e-9 * found.time, atol=1e-9)


# ---- inductors --------------------------------------------------------------------------------------------------------

L_RING, C_RING = 1e-6, 1e-9
OMEGA = float(1 / np.sqrt(L_RING * C_RING))


@pytest.mark.parametrize("damping", [0.05, 0.5, 1.0, 3.0])
def test_series_rlc_rings_or_creeps_as_its_damping_says(damping: float) -> None:
    """v'' + 2 damping omega v' + omega^2 v = 0 from v = 1, v' = 0; damping = 1 is critical. The current is -C v'."""
    r = 2 * damping * OMEGA * L_RING
    found = run(f"""node out;
        initial out = 1 V;
        Capacitor C1(out, gnd) {{ c = 1 nF }};
        SeriesRl L1(out, gnd) {{ l = 1 uH, r = {r!r} Ohm }};""", 20 / OMEGA, points=101, head=SERIES_RL)
    t = found.time
    alpha = damping * OMEGA
    if damping < 1:
        w = OMEGA * np.sqrt(1 - damping**2)
        wanted = np.exp(-alpha * t) * (np.cos(w * t) + alpha / w * np.sin(w * t))
        current = C_RING * OMEGA**2 / w * np.exp(-alpha * t) * np.sin(w * t)
    elif damping == 1:
        wanted = np.exp(-alpha * t) * (1 + alpha * t)
        current = C_RING * OMEGA**2 * t * np.exp(-alpha * t)
    else:
        w = OMEGA * np.sqrt(damping**2 - 1)
        wanted = np.exp(-alpha * t) * (np.cosh(w * t) + alpha / w * np.sinh(w * t))
        current = C_RING * OMEGA**2 / w * np.exp(-alpha * t) * np.sinh(w * t)
    np.testing.assert_allclose(found["out"], wanted, atol=1e-8)
    np.testing.assert_allclose(found["L1.i"], current, atol=2e-6 * np.ptp(current))


SERIES_RL = """device SeriesRl(p, n) {
    param l: inductance; param r: resistance;
    state i: current = 0 A;
    ddt(i) = (V(p, n) - r * i) / l;
    I(p, n) <+ i;
}
circuit Top"""


@pytest.mark.parametrize("ratio", [0.2, 1.0, 5.0])
def test_parallel_rlc(ratio: float) -> None:
    """Parallel R, L, C with alpha = ratio * omega: under-, critically and over-damped."""
    alpha = ratio * OMEGA
    r = 1 / (2 * alpha * C_RING)
    found = run(f"""node a;
        initial a = 1 V;
        Resistor(a, gnd) {{ r = {r!r} Ohm }};
        Capacitor(a, gnd) {{ c = 1 nF }};
        Inductor L1(a, gnd) {{ l = 1 uH }};""", 15 / OMEGA)
    t = found.time
    root = np.sqrt(complex(alpha**2 - OMEGA**2))
    if ratio == 1.0:
        wanted = np.exp(-alpha * t) * (1 - alpha * t)
    else:
        wanted = np.real(np.exp(-alpha * t) * (np.cosh(root * t) - alpha / root * np.sinh(root * t)))
    np.testing.assert_allclose(found["a"], wanted, atol=1e-8)


def test_an_lc_tank_keeps_its_energy_and_its_period() -> None:
    found = run("""node a; initial a = 1 V;
        Capacitor(a, gnd) { c = 1 nF };
        Inductor L1(a, gnd) { l = 1 uH };""", 30 * 2 * np.pi / OMEGA, points=1001, rtol=1e-11)
    energy = C_RING / 2 * found["a"] ** 2 + L_RING / 2 * found["L1.i"] ** 2
    np.testing.assert_allclose(energy, C_RING / 2, rtol=1e-7)
    np.testing.assert_allclose(found["a"], np.cos(OMEGA * found.time), atol=1e-6)


def test_states_have_names_and_initial_values_of_their_own() -> None:
    text = """device Leak(p) { param a: real = 2; state w: real = 0.25 * a; ddt(w) = -w / 1 us; I(p) <+ 0 A * V(p) / 1 V; }"""
    found = run("node x[2]; Capacitor(n, gnd) for n in x; Leak m(x[k]) { a = 2 + 2 * k } for k in 0..2;", 1e-6,
                head=f"{text}\ncircuit Top")
    assert found.names == ("x[0]", "x[1]", "m[0].w", "m[1].w")
    assert found.nodes == 2
    for k in range(2):
        np.testing.assert_allclose(found[f"m[{k}].w"], 0.5 * (1 + k) * np.exp(-found.time / 1e-6), rtol=1e-8)
    with pytest.raises(UsageError) as caught:
        found["m[0].v"]
    assert caught.value.diagnostics[0].code == "KC0502"


# ---- several capacitors -----------------------------------------------------------------------------------------------


def test_a_capacitive_divider_follows_its_driven_end() -> None:
    """With nothing but capacitors, dv = C1/(C1 + C2) du whatever the shape of u."""
    found = run("""node vin, out;
        drive vin = pulse(0 V, 3 V, delay = 1 us, rise = 1 us, fall = 2 us, width = 1 us, period = 6 us);
        initial out = 0.5 V;
        Capacitor(vin, out) { c = 1 pF };
        Capacitor(out, gnd) { c = 2 pF };""", 11e-6, points=221)
    np.testing.assert_allclose(found["out"], 0.5 + found["vin"] / 3, atol=1e-9)
    assert np.ptp(found["vin"]) == 3.0


def test_a_high_pass_passes_the_edge_of_its_drive() -> None:
    """R from out to gnd, C to a ramp of slope k: v = k tau (1 - exp(-t/tau))."""
    found = run("""node vin, out;
        drive vin = pwl(0 s, 0 V, 10 us, 5 V);
        Capacitor(vin, out) { c = 1 nF };
        Resistor(out, gnd) { r = 2 kOhm };
        Capacitor(out, gnd) { c = 1e-3 pF };""", 10e-6)
    tau, slope = R * (C + 1e-15), 5 / 10e-6
    wanted = slope * C / (C + 1e-15) * tau * -np.expm1(-found.time / tau)
    np.testing.assert_allclose(found["out"], wanted, atol=1e-9)


def test_an_island_of_floating_capacitors_matches_a_matrix_exponential() -> None:
    """Five nodes, a full capacitance matrix, a conductance network: v = expm(-C^-1 G t) v0."""
    rng = np.random.default_rng(3)
    n = 5
    lines, c, g = [], np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            cap, cond = rng.uniform(0.5e-9, 2e-9), rng.uniform(1e-4, 1e-3)
            lines += [f"Capacitor(x[{i}], x[{j}]) {{ c = {cap!r} F }};", f"Conductance(x[{i}], x[{j}]) {{ g = {cond!r} S }};"]
            one = np.zeros(n)
            one[i], one[j] = 1, -1
            c += cap * np.outer(one, one)
            g += cond * np.outer(one, one)
    lines += ["Capacitor(x[0], gnd) { c = 1 nF };", "Resistor(x[4], gnd) { r = 3 kOhm };"]
    c[0, 0] += 1e-9
    g[4, 4] += 1 / 3e3
    v0 = rng.uniform(-1, 1, n)
    lines += [f"initial x[{k}] = {v!r} V;" for k, v in enumerate(v0.tolist())]
    found = run(f"node x[{n}];\n" + "\n".join(lines), 10e-6, points=21)
    assert "explicit" in found.method[0]
    rates, vectors = np.linalg.eig(np.linalg.solve(c, -g))
    for row, t in enumerate(found.time):
        wanted = np.real(vectors @ (np.exp(rates * t) * np.linalg.solve(vectors, v0.astype(complex))))
        np.testing.assert_allclose(found.values[row], wanted, atol=1e-9)


def test_charge_stays_in_a_closed_island() -> None:
    """Nonlinear currents between nodes move charge, they make none: sum(C v) is constant."""
    lines = ["node x[6];", "initial x[k] = 1 V * k - 2 V for k in 0..6;",
             "Capacitor(x[k], gnd) { c = 1 nF * (k + 1) } for k in 0..6;",
             "Diode(x[k], x[(k + 2) % 6]) for k in 0..6;", "Diode(x[k], x[(k + 1) % 6]) for k in 0..6;"]
    diode = "device Diode(a, b) { I(a, b) <+ 1 uA * (exp(V(a, b) / 0.5 V) - 1) + 1 mA * tanh(V(a, b) / 1 V); }\ncircuit Top"
    found = run("\n".join(lines), 20e-6, head=diode)
    charge = found.values @ (1e-9 * np.arange(1, 7))
    np.testing.assert_allclose(charge, charge[0], rtol=1e-12)
    assert np.abs(np.diff(found.values, axis=0)).sum() > 1.0


def test_a_node_with_only_a_capacitor_holds_its_voltage() -> None:
    found = run("""node a, b;
        initial a = 0.7 V; initial b = 1 V;
        Capacitor(a, gnd) { c = 1 nF }; Capacitor(b, gnd) { c = 1 nF }; Resistor(b, gnd) { r = 1 kOhm };""", 1e-3)
    np.testing.assert_array_equal(found["a"], 0.7)
    assert abs(found["b"][-1]) < 1e-9


# ---- phases, rails, stiffness -----------------------------------------------------------------------------------------

PHASED = """node a, b;
    initial a = 2 V;
    Capacitor(n, gnd) { c = 1 nF } for n in a + b;
    phase drain for 3 us { Resistor(a, gnd) { r = 2 kOhm }; }
    phase hold for 2 us { Resistor(b, gnd) { r = 2 kOhm }; }
    phase share for 4 us { Resistor(a, b) { r = 1 kOhm }; }"""


def test_phases_switch_devices() -> None:
    """Drain exponentially, then hold, then share charge with the second capacitor."""
    found = kc.simulate(compiled(PHASED), points=901, rtol=1e-10)
    t, left = found.time, 2 * np.exp(-3e-6 / TAU)
    assert abs(t[-1] - 9e-6) < 1e-20
    half = left / 2
    gap = half * np.exp(-(t - 5e-6) / (1e3 * 1e-9 / 2))
    wanted_a = np.where(t <= 3e-6, 2 * np.exp(-t / TAU), np.where(t <= 5e-6, left, half + gap))
    wanted_b = np.where(t <= 5e-6, 0.0, half - gap)
    np.testing.assert_allclose(found["a"], wanted_a, atol=1e-9)
    np.testing.assert_allclose(found["b"], wanted_b, atol=1e-9)
    assert [line.split(":")[0] for line in found.method] == ["drain", "hold", "share"]


def test_a_simulation_may_stop_inside_a_phase_and_not_after_the_last() -> None:
    circuit = compiled(PHASED)
    found = kc.simulate(circuit, until=4e-6, points=9)
    np.testing.assert_allclose(found["a"][-1], 2 * np.exp(-3e-6 / TAU), rtol=1e-7)
    assert len(found.method) == 2
    with pytest.raises(UsageError) as caught:
        kc.simulate(circuit, until=9.1e-6)
    assert caught.value.diagnostics[0].code == "KC0508"


def test_rails_hold_a_node_near_their_interval() -> None:
    """A current i into a node with rail conductance g settles i/g above the upper rail, below the lower one."""
    found = run("""node a rail [-1 V, 2 V] g = 1 mS;
        node b rail [-1 V, 2 V] g = 1 mS;
        Capacitor(n, gnd) { c = 1 nF } for n in a + b;
        CurrentSource(gnd, a) { i = dc(0.5 mA) };
        CurrentSource(b, gnd) { i = dc(0.25 mA) };""", 40e-6, points=401)
    t = found.time
    reach_a, reach_b = 2 / (0.5e-3 / 1e-9), 1 / (0.25e-3 / 1e-9)
    up = np.where(t < reach_a, 5e5 * t, 2 - 0.5 * np.expm1(-(t - reach_a) / 1e-6))
    down = np.where(t < reach_b, -2.5e5 * t, -1 + 0.25 * np.expm1(-(t - reach_b) / 1e-6))
    np.testing.assert_allclose(found["a"], up, atol=1e-8)
    np.testing.assert_allclose(found["b"], down, atol=1e-8)


def test_the_default_rail_is_a_hundred_times_the_capacitance() -> None:
    """Released above its rail the node falls back at 100/s."""
    found = run("node a rail [-1 V, 1 V]; initial a = 3 V; Capacitor(a, gnd) { c = 1 F };", 0.1)
    np.testing.assert_allclose(found["a"], 1 + 2 * np.exp(-100 * found.time), atol=1e-8)


def test_a_stiff_circuit_is_integrated_implicitly_and_says_so() -> None:
    """Time constants of 1 ps and 1 ms, over 1 ms."""
    body = """node vin, fast, slow;
        drive vin = dc(1 V);
        Resistor(vin, fast) { r = 1 Ohm }; Capacitor(fast, gnd) { c = 1 pF };
        Resistor(vin, slow) { r = 1 MOhm }; Capacitor(slow, gnd) { c = 1 nF };"""
    found = run(body, 1e-3, rtol=1e-8)
    assert "implicit" in found.method[0] and "stiff" in found.method[0]
    np.testing.assert_allclose(found["slow"], -np.expm1(-found.time / 1e-3), atol=1e-7)
    np.testing.assert_allclose(found["fast"][1:], 1.0, atol=1e-7)
    assert "explicit" in run(body, 10e-12).method[0]


def test_stiffness_behind_driven_sources_and_floating_capacitors() -> None:
    """The implicit stepper sees rates of drives through capacitors too: a stiff high-pass under a ramp."""
    found = run("""node vin, mid, out;
        drive vin = pwl(0 s, 0 V, 1 ms, 1 V);
        Resistor(mid, out) { r = 1 Ohm };
        Capacitor(vin, mid) { c = 1 nF }; Capacitor(mid, gnd) { c = 1 pF };
        Capacitor(out, gnd) { c = 1 pF }; Resistor(out, gnd) { r = 100 kOhm };""", 1e-3, points=51, rtol=1e-8)
    assert "implicit" in found.method[0]
    # One node in effect: 1 nF to the ramp, 2 pF to ground, 100 kOhm.
    total = 1e-9 + 2e-12
    tau = 1e5 * total
    wanted = 1e3 * 1e-9 / total * tau * -np.expm1(-found.time / tau)
    np.testing.assert_allclose(found["out"], wanted, atol=1e-6)


# ---- records ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("until", "points"), [(1e-6, 2), (0.3, 7), (1 / 3, 101), (7e-9, 1000)])
def test_points_are_equally_spaced_with_an_exact_end(until: float, points: int) -> None:
    circuit = compiled("node a; initial a = 1 V; Capacitor(a, gnd); Resistor(a, gnd);")
    found = kc.simulate(circuit, until=until, points=points)
    assert found.time.shape == (points,) and found.values.shape == (points, 1)
    assert found.time[0] == 0.0 and found.time[-1] == until
    np.testing.assert_allclose(np.diff(found.time), until / (points - 1), rtol=1e-9)
    assert found["a"][0] == 1.0
    assert np.all(np.isfinite(found.values))


def test_records_are_the_same_whatever_their_number() -> None:
    """Recording does not steer the steps: common instants of two runs agree to the tolerance."""
    few, many = (driven_rc("sin(0 V, 1 V, 300 kHz)", 20e-6, points=points) for points in (11, 2001))
    np.testing.assert_allclose(few["out"], many["out"][::200], atol=1e-10)


def test_records_at_a_corner_that_stands_twice() -> None:
    """The end of one period and the start of the next differ by rounding; what was asked for there was never written."""
    circuit = compiled("""node vin, out;
        drive vin = pulse(0 V, 1 V, rise = 0.1 ns, width = 0.7 ns, fall = 0.2 ns, period = 1 ns);
        Resistor(vin, out) { r = 2 kOhm }; Capacitor(out, gnd) { c = 1 pF };""")
    corners = Sources(circuit.stimuli[0].wave).corners(20e-9)
    assert np.any(np.diff(corners) < 1e-20)
    found = simulate(circuit, until=20e-9, times=np.repeat(corners, 50), rtol=1e-10)["out"][::50]
    before = simulate(circuit, until=20e-9, times=corners * (1 - 1e-9), rtol=1e-10)["out"]
    np.testing.assert_allclose(found, before, atol=1e-8)


@pytest.mark.parametrize("rtol", [1e-6, 1e-8, 1e-10])
def test_records_between_steps_are_as_good_as_the_steps(rtol: float) -> None:
    """The fast mode of an overdamped circuit keeps the steps at the stability limit, where interpolation is at its worst."""
    damping = 3.0
    alpha, w = damping * OMEGA, OMEGA * np.sqrt(damping**2 - 1)
    found = run(f"""node out;
        initial out = 1 V;
        Capacitor C1(out, gnd) {{ c = 1 nF }};
        SeriesRl L1(out, gnd) {{ l = 1 uH, r = {2 * damping * OMEGA * L_RING!r} Ohm }};""", 20 / OMEGA, points=501, rtol=rtol,
                head=SERIES_RL)
    wanted = C_RING * OMEGA**2 / w * np.exp(-alpha * found.time) * np.sinh(w * found.time)
    assert np.abs(found["L1.i"] - wanted).max() <= 100 * rtol * np.ptp(wanted)


@pytest.mark.parametrize(("arguments", "code"), [
    ({}, "KC0508"), ({"until": 0.0}, "KC0503"), ({"until": -1.0}, "KC0503"), ({"until": float("nan")}, "KC0503"),
    ({"until": float("inf")}, "KC0503"), ({"until": 1.0, "points": 1}, "KC0503"), ({"until": 1.0, "rtol": 1e-15}, "KC0503"),
    ({"until": 1.0, "rtol": 0.5}, "KC0503"), ({"until": 1.0, "rtol": float("nan")}, "KC0503")])
def test_bad_numbers_are_refused(arguments: dict[str, float], code: str) -> None:
    circuit = compiled("node a; Capacitor(a, gnd); Resistor(a, gnd);")
    with pytest.raises(UsageError) as caught:
        kc.simulate(circuit, **arguments)
    assert caught.value.diagnostics[0].code == code


def test_read_out_gives_the_outputs_at_the_end_in_order() -> None:
    found = run("""node x[3]; initial x[k] = 1 V * (k + 1) for k in 0..3; output x[2], x[0];
        Capacitor(n, gnd) for n in x;""", 1.0)
    np.testing.assert_array_equal(found.read_out, [3.0, 1.0])


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8, 1e-10])
def test_the_tolerance_bounds_the_error(rtol: float) -> None:
    found = driven_rc("sin(0 V, 1 V, 300 kHz)", 20e-6, rtol=rtol)
    exact = driven_rc("sin(0 V, 1 V, 300 kHz)", 20e-6, rtol=1e-13)
    assert np.abs(found["out"] - exact["out"]).max() <= 100 * rtol


def test_a_voltage_without_bound_is_a_failure_not_a_result() -> None:
    blow = "device Blow(a) { I(gnd, a) <+ 1 A * pow(V(a) / 1 V, 2); }\ncircuit Top"
    circuit = compiled("node a; initial a = 1 V; Capacitor(a, gnd) { c = 1 F }; Blow(a);", head=blow)
    with pytest.raises(kc.SimulatorFailed) as caught:
        kc.simulate(circuit, until=2.0)
    assert caught.value.kind in ("diverged", "nonfinite")
    np.testing.assert_allclose(kc.simulate(circuit, until=0.9)["a"][-1], 10.0, rtol=1e-6)
