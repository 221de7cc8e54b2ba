"""Bounded passes, ranges and scaling: what they give, what they promise, and closed forms it is measured against."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit
from kcompile.passes.base import PassLog
from kcompile.passes.prune import Prune
from kcompile.passes.quantize import Quantize
from kcompile.passes.range_analysis import RangeAnalysis
from kcompile.passes.ranges import Ranges
from kcompile.passes.scale import Certificate, Scale
from kcompile.passes.scaling import scaled
from kcompile.sim.pack import System

HEAD = """use std.passive: Capacitor, Conductance, Resistor, Inductor;
use std.compute: Transconductor, TanhSaturation;
use std.kirchhoff: ShiftRelu, ShiftTanh2;
"""


def compiled(text: str, **options) -> Circuit:
    return kc.compile(kc.Source("t.kc", HEAD + text), **options)


# ---- prune ------------------------------------------------------------------------------------------------------------

WEAK = """circuit T { node a, b; Capacitor(n, gnd) { c = 2 F } for n in a + b;
    TanhSaturation t[k](a, b) { imax = 1 uA * (k + 1) } for k in 0..6; Conductance(a, b) { g = 1 uS }; Inductor(a, b); }"""


def pruned(one: Prune) -> tuple[list[float], PassLog]:
    log = PassLog()
    circuit = one.apply(compiled(WEAK), log)
    tables = {table.bank: table for table in circuit.tables}
    assert "Inductor[0]" in tables and tables["Capacitor[0]"].count == 2
    return (tables["t"].params["imax"] * 1e6).tolist() if "t" in tables else [], log


def test_prune_removes_what_cannot_exceed_the_threshold() -> None:
    left, log = pruned(Prune(threshold=3.5e-6, swing=2.0))
    assert left == pytest.approx([4, 5, 6]), "the conductance gives up to 4 uA within +-2 V, and stays"
    # 1 + 2 + 3 uA into the second node, of 2 F
    assert log.bounds["rate"] == pytest.approx([0.0, 3e-6 * np.tanh(2.0), 0.0], rel=1e-12)
    left, log = pruned(Prune(threshold=4.1e-6, swing=2.0))
    assert left == pytest.approx([5, 6])
    assert log.bounds["rate"] == pytest.approx([2e-6, (10e-6 * np.tanh(2.0) + 4e-6) / 2, 0.0], rel=1e-12)


def test_prune_removes_the_weakest_fraction() -> None:
    assert pruned(Prune(fraction=0.0))[0] == pytest.approx([1, 2, 3, 4, 5, 6])
    assert pruned(Prune(fraction=3 / 7, swing=100.0))[0] == pytest.approx([4, 5, 6])
    assert pruned(Prune(fraction=1.0))[0] == []


def test_equally_strong_devices_go_together_or_stay() -> None:
    circuit = compiled("circuit T { node a, b; Capacitor(n, gnd) for n in a + b; "
                       "Conductance g[k](a, b) { g = 1 S } for k in 0..4; Conductance(a, b) { g = 0.5 S }; }")
    left = Prune(fraction=0.6).apply(circuit, PassLog())
    assert [table.count for table in left.tables] == [2, 4]


@pytest.mark.parametrize("options", [{}, {"threshold": 1.0, "fraction": 0.5}, {"threshold": -1.0}, {"fraction": 1.5},
                                     {"fraction": float("nan")}, {"threshold": 1.0, "swing": 0.0}])
def test_prune_refuses(options: dict[str, float]) -> None:
    with pytest.raises(kc.UsageError, match="KC0803"):
        Prune(**options)


# ---- quantize ---------------------------------------------------------------------------------------------------------

TRAINED = """circuit T { param w[8]: conductance = 1 S in [-8 S, 8 S] trainable;
    node a, b; Capacitor(n, gnd) { c = 1 F } for n in a + b;
    ShiftRelu s[k](a, b) { k = w[k], th = 0.1 V * k } for k in 0..8;
    ShiftRelu f(a, b) { fixed k = 0.12345 S, fixed th = 0.777 V }; Conductance(a, b) { g = 0.333 S }; }"""
WEIGHTS = {"w": np.array([-3.0, -1.1, 0.0, 0.2, 0.9, 1.0, 2.2, 4.0])}


def test_quantize_gives_each_parameter_its_levels() -> None:
    log = PassLog()
    circuit = compiled(TRAINED, weights=WEIGHTS)
    made = Quantize(bits=2).apply(circuit, log)
    assert made.parameters()["w"] == pytest.approx([-3, -3 + 7 / 3, -3 + 7 / 3, -3 + 7 / 3, 5 / 3, 5 / 3, 5 / 3, 4])
    assert np.array_equal(made.parameters()["w"], made.tables[1].params["k"]), "what is tied follows"
    assert len(np.unique(made.tables[1].params["th"])) == 4
    assert made.parameters()["f.k"] == 0.12345 and made.parameters()["f.th"] == 0.777, "fixed parameters stay"
    assert made.parameters()["Conductance[0].g"] == 0.333, "and those that never train"
    assert {fact.name: fact.value for fact in log.facts}["most levels of one"] == 4


def test_quantize_to_a_grid() -> None:
    made = Quantize(grid=0.5).apply(compiled(TRAINED, weights=WEIGHTS), PassLog())
    assert made.parameters()["w"].tolist() == [-3.0, -1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 4.0]


def test_a_level_outside_the_limits_is_moved_inside() -> None:
    text = """circuit T { param w[2]: resistance = 1 Ohm in (0, 7 Ohm] trainable; node a; Capacitor(a, gnd);
        R r[k](a) { r = w[k] } for k in 0..2; }
        device R(p) { param r: resistance = 1 Ohm in (0, inf); I(p) <+ V(p) / r; }"""
    made = Quantize(grid=4.0).apply(compiled(text, weights={"w": np.array([1.0, 6.5])}), PassLog())
    assert made.parameters()["w"].tolist() == [4.0, 4.0], "0 is no resistance, and 8 Ohm are too many"


def test_the_bound_of_quantize_is_near_what_happens() -> None:
    circuit = compiled(TRAINED, weights=WEIGHTS)
    log = PassLog()
    made = Quantize(bits=5, swing=2.0).apply(circuit, log)
    old, new = System(circuit), System(made)
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.uniform(-2, 2, (2000, 2)), [[2.0, -2.0], [-2.0, 2.0]]])
    seen = max(float(np.abs(old.rhs(0, 0, y, 0) - new.rhs(0, 0, y, 0)).max()) for y in points)
    bound = float(log.bounds["rate"].max())
    assert seen <= bound < 20 * seen


def test_a_law_that_jumps_is_bounded_by_its_step() -> None:
    circuit = compiled("""device Step(p) { param at: voltage = 0.4 V trainable; I(p) <+ if(V(p) > at, 3 A, 1 A); }
        circuit T { node a; Capacitor(a, gnd) { c = 1 F }; Step(a); }""")
    log = PassLog()
    made = Quantize(grid=0.25).apply(circuit, log)
    at = np.array([0.45])
    assert System(made).rhs(0, 0, at, 0) - System(circuit).rhs(0, 0, at, 0) == pytest.approx([2.0])
    assert log.bounds["rate"] == pytest.approx([2.0])


@pytest.mark.parametrize("options", [{}, {"bits": 4, "grid": 0.1}, {"bits": 0}, {"bits": 25}, {"grid": 0.0},
                                     {"grid": float("inf")}, {"bits": 4, "swing": -1.0}])
def test_quantize_refuses(options: dict[str, float]) -> None:
    with pytest.raises(kc.UsageError, match="KC0803"):
        Quantize(**options)


# ---- ranges -----------------------------------------------------------------------------------------------------------


def ranges(circuit: Circuit, **options) -> Ranges:
    log = PassLog()
    assert RangeAnalysis(**options).apply(circuit, log) is circuit
    return log.results["ranges"]


def test_a_passive_network_stays_between_its_sources() -> None:
    found = ranges(compiled("""circuit T { node s, x[5]; drive s = pulse(-0.5 V, 2 V, rise = 1 ns); Capacitor(n, gnd) for n in x;
        Resistor(s, x[0]); Resistor(x[k], x[k + 1]) for k in 0..4; }"""))
    assert found.proved.all() and found.samples == 0
    assert found.box.lower.tolist() == [0.0] + [-0.5] * 6
    assert found.box.upper.tolist() == [0.0] + [2.0] * 6


def test_saturating_devices_against_a_leak() -> None:
    circuit = compiled("""circuit T { node x[2]; Capacitor(n, gnd) for n in x; Conductance(n, gnd) { g = 1 mS } for n in x;
        TanhSaturation(x[0], x[1]) { imax = 3 mA }; TanhSaturation(x[1], x[0]) { imax = -2 mA }; input x; }""")
    found = ranges(circuit, lower=-0.1, upper=0.2)
    assert found.proved.all()
    # each node settles between minus and plus the largest current over the leak; tanh(3) and tanh(2) of it are reached
    exact = np.array([2 * np.tanh(3.0), 3 * np.tanh(2.0)])
    assert np.all(found.box.upper[1:] >= exact * 0.99) and np.all(found.box.upper[1:] <= exact * 1.05)
    assert np.all(found.box.lower[1:] <= -exact * 0.99) and np.all(found.box.lower[1:] >= -exact * 1.05)


def test_a_short_time_bounds_what_no_box_holds() -> None:
    """Without a leak only time stops a saturating network: 2 s at no more than 25 A into 1 F."""
    circuit = compiled("""circuit T { node x[2]; Capacitor(n, gnd) { c = 1 F } for n in x;
        phase one for 2 s { ShiftTanh2 w[k](x[0], x[1]) { p0 = 1 V^-1 * (k - 12), p1 = 0.3 V^-1 } for k in 0..25; } input x; }""")
    found = ranges(circuit, lower=-1.0, upper=1.0)
    assert found.proved.all()
    assert np.all(found.box.upper[1:] <= 51.0) and np.all(found.box.upper[1:] > 10)


def test_an_oscillator_is_sampled_with_its_state() -> None:
    circuit = compiled("""circuit T { node v; Capacitor(v, gnd) { c = 1 F }; Inductor L(v, gnd) { l = 1 H }; input v; }""",
                       inputs=[1.0])
    found = ranges(circuit, until=10.0)
    assert not found.proved[1] and found.samples == 1
    assert (found.box.lower[1], found.box.upper[1]) == pytest.approx((-1, 1), abs=1e-3)
    assert found.currents(circuit.tables[1]) == pytest.approx([1.0], abs=1e-3)
    assert not found.proved_currents(circuit.tables[1])[0]


def test_simulations_never_leave_a_proved_range() -> None:
    rng = np.random.default_rng(4)
    for seed in range(12):
        n = 4
        g = rng.uniform(0.2, 2, n).tolist()
        weights = (rng.normal(size=(n, n)) * 2).tolist()
        lines = [f"Conductance(x[{i}], gnd) {{ g = {g[i]!r} S }};" for i in range(n)]
        lines += [f"TanhSaturation(x[{i}], x[{j}]) {{ imax = {weights[i][j]!r} A }};"
                  for i in range(n) for j in range(n) if i != j]
        circuit = compiled(f"circuit T {{ node x[{n}]; Capacitor(m, gnd) {{ c = 1 F }} for m in x; {' '.join(lines)} input x; }}")
        found = ranges(circuit, lower=-1.0, upper=1.5)
        assert found.proved.all()
        for _ in range(3):
            waves = kc.simulate(circuit.with_initial(rng.uniform(-1, 1.5, n)), until=20.0)
            assert np.all(waves.values >= found.box.lower[1:]) and np.all(waves.values <= found.box.upper[1:]), seed


def test_what_does_not_close_needs_a_time() -> None:
    circuit = compiled("circuit T { node v; Capacitor(v, gnd); Conductance(v, gnd) { g = -1 mS }; input v; }", inputs=[0.5])
    with pytest.raises(kc.UsageError, match="KC0508"):
        ranges(circuit)
    found = ranges(circuit, samples=0)
    assert found.box.upper[1] == np.inf and not found.proved[1]
    grown = ranges(circuit, until=2e-9)
    assert grown.box.upper[1] == pytest.approx(0.5 * np.exp(2.0), rel=1e-3), "g / c is 1 / ns"


@pytest.mark.parametrize("options", [{"lower": 0.0}, {"lower": 1.0, "upper": 0.0}, {"until": 0.0}, {"samples": -1}])
def test_range_analysis_refuses(options: dict[str, float]) -> None:
    with pytest.raises(kc.UsageError, match="KC0803"):
        RangeAnalysis(**options)


# ---- scale ------------------------------------------------------------------------------------------------------------

MODEL = """device Tanh(s, d) { param w: V^-1 = 1 V^-1 trainable; I(s, d) <+ 1 A * tanh(w * V(s)); }
circuit T { node x[2]; Capacitor(n, gnd) { c = 1 F } for n in x; Conductance(n, gnd) { g = 1 S } for n in x;
    phase run for 2 s { Tanh(x[0], x[1]) { w = 2 V^-1 }; Tanh(x[1], x[0]) { w = -1 V^-1 }; } input x; output x; }"""


def test_scale_reaches_the_limits_and_says_what_limits() -> None:
    circuit = compiled(MODEL, inputs=[0.5, -0.25])
    log = PassLog()
    made = Scale(swing=0.1, time=100e-9, current=1e-6, lower=-1.0, upper=1.0).apply(circuit, log)
    certificate = log.results["scale"]
    assert isinstance(certificate, Certificate)
    assert made.duration == pytest.approx(100e-9)
    volts = certificate.factors.volt
    assert volts == pytest.approx(0.1 / certificate.ranges.largest.max())
    assert certificate.factors.second == pytest.approx(50e-9)
    name, room = certificate.limiting
    assert room == pytest.approx(1.0) and name in ("x[0]", "x[1]")
    factors = certificate.factors
    assert made.parameters()["run.Tanh[0].w"] == pytest.approx(2 / volts)
    assert made.tables[0].params["c"] == pytest.approx(factors.ampere * factors.second / volts)
    waves, model = kc.simulate(made, points=41), kc.simulate(circuit, points=41)
    assert waves.values == pytest.approx(model.values * volts, rel=1e-4, abs=1e-6)
    again = scaled(made, factors.inverse())
    assert kc.simulate(again, points=41).values == pytest.approx(model.values, rel=1e-6, abs=1e-9)


def test_what_is_not_given_keeps_its_unit() -> None:
    log = PassLog()
    made = Scale(time=1.0).apply(compiled(MODEL, inputs=[0.5, 0.0]), log)
    factors = log.results["scale"].factors
    assert (factors.volt, factors.ampere, factors.second) == (1.0, 1.0, 0.5)
    assert made.tables[0].params["c"].tolist() == [0.5, 0.5]


def test_head_room_against_a_process() -> None:
    log = PassLog()
    Scale(swing=0.1, current=1e-6, time=1e-6, pdk="generic").apply(compiled(MODEL, inputs=[0.5, 0.0]), log)
    rooms = log.results["scale"].head_room
    assert "capacitance of a node [F]" in rooms and rooms["x[0]"] >= 1
    with pytest.raises(kc.UsageError, match="KC0511"):
        Scale(swing=0.1, pdk="nowhere").apply(compiled(MODEL, inputs=[0.5, 0.0]), PassLog())


@pytest.mark.parametrize("options", [{}, {"swing": 0.0}, {"time": -1.0}, {"current": float("inf")}, {"swing": 1.0, "lower": 0.0}])
def test_scale_refuses(options: dict[str, float]) -> None:
    with pytest.raises(kc.UsageError, match="KC0803"):
        Scale(**options)


def test_a_circuit_at_rest_has_no_swing_to_scale() -> None:
    with pytest.raises(kc.UsageError, match="the largest one of the circuit is 0"):
        Scale(swing=1.0).apply(compiled("circuit T { node a; Capacitor(a, gnd); }"), PassLog())


def test_a_circuit_of_absurd_currents_is_refused_rather_than_scaled_to_nothing() -> None:
    """Found by 500 generated programs: the default of a capacitance became 0 F."""
    circuit = compiled("""device Huge(p) { param k: current = 1 A; I(p) <+ k * exp(V(p) / 1 mV); }
        circuit T { node a; Capacitor(a, gnd); Huge(a); input a; }""", inputs=[0.7])
    with pytest.raises(kc.UsageError, match="KC0803"):
        Scale(current=1e-6, until=1e-320, samples=0).apply(circuit, PassLog())
