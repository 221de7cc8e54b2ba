"""Generated C++ against the native simulator, and its adjoint against central differences of itself."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from kcompile.kernels import program
from kcompile.kernels.program import Program
from kcompile.sim.pack import System
from kcompile.sim.schedule import fixed_schedule
from kcompile.sim.tableau import METHODS

HEAD = ("use std.kirchhoff: ShiftRelu, ShiftLeakyRelu1, ShiftTanh, ShiftTanh1, ShiftTanh2, Conductance;"
        "use std.compute: Multiplier; use std.passive: Capacitor, Inductor, Resistor;")
CIRCUITS = {
    "pairs": ("node a[5]; input a; Capacitor(a[i], gnd) { c = 1 F + 0.1 F * i } for i in 0..5;"
              "ShiftTanh(a[i], a[j]) { i0 = 0.3 A + 0.1 A * i - 0.2 A * j, th = 0.1 V * j } for i in 0..5, j in 0..5 if i != j;"
              "ShiftTanh(a[i], a[j]) { i0 = 0.2 A, th = 0.3 V * i } for i in 0..5, j in 0..5 if i != j;"
              "ShiftTanh(a[1], gnd) { i0 = 1 A }; ShiftTanh(gnd, a[1]) { i0 = 0.5 A, th = 0.1 V };"),
    "laws": ("node a[4]; input a; Capacitor(a[i], gnd) { c = 1 F } for i in 0..4;"
             "ShiftTanh2(a[0], a[1]) { p0 = 1 V^-1, p1 = 0.5 V^-1, p2 = 0.1 };"
             "ShiftTanh1(a[2], a[1]) { p0 = 0.2, p1 = 0.5 V^-1 }; Conductance(a[3], a[0]) { p0 = 0.7 S };"
             "Multiplier(a[0], a[1], a[2]) { k = 0.5 A/V^2 };"),
    "phases": ("node a[3]; input a; Capacitor(a[i], gnd) { c = 1 F } for i in 0..3;"
               "phase one for 1 s { ShiftTanh(a[i], a[j]) { i0 = 1 A } for i in 0..3, j in 0..3 if i < j; }"
               "phase two for 2 s { Resistor(a[0], a[2]) { r = 2 Ohm }; }"),
    "states": ("node a[3]; input a; Capacitor(a[i], gnd) { c = 1 F } for i in 0..3;"
               "Inductor(a[0], a[1]) { l = 2 H }; Inductor(a[2], gnd) { l = 1 H }; Resistor(a[1], a[2]) { r = 1 Ohm };"),
    "islands": ("node a[4]; input a; Capacitor(a[i], gnd) { c = 1 F } for i in 0..4; Capacitor(a[0], a[1]) { c = 0.5 F };"
                "Capacitor(a[1], a[3]) { c = 0.3 F }; ShiftTanh(a[i], a[i + 1]) { i0 = 1 A } for i in 0..3;"),
    "drives": ("node a[2], u, w; input a; drive u = sin(0 V, 1 V, 0.3 Hz); drive w = pulse(0 V, 1 V, rise = 0.5 s, width = 1 s,"
               "period = 9 s); Capacitor(a[i], gnd) { c = 1 F } for i in 0..2; Capacitor(u, a[1]) { c = 0.4 F };"
               "Resistor(u, a[0]) { r = 1 Ohm }; ShiftTanh(w, a[1]) { i0 = 1 A }; ShiftTanh(a[0], a[1]) { i0 = -1 A };"),
}


def compiled(body: str, head: str = HEAD) -> kc.Circuit:
    return kc.compile(kc.Source("case.kc", f"{head} circuit Case {{ {body} }}"))


def columns(system: System) -> list[list[np.ndarray | None]]:
    return [[None if p.waveform else np.concatenate([t.params[p.name] for t in system.circuit.tables
                                                    if t.model is g.model and t.phase == g.phase])
             for p in g.model.params] for g in system.groups]


def made(circuit: kc.Circuit, *, steps: int = 10, method: str = "rk4", rail: float = np.inf, double: bool = True,
         record: tuple[int, ...] | None = None, threads: int = 1) -> Program:
    system = System(circuit)
    schedule = fixed_schedule(circuit, steps, None if circuit.phases else 2.0)
    limit = np.full(system.size, rail)
    return Program(system, schedule, METHODS[method], lower=-limit, upper=limit, record=record or (schedule.count,),
                   double=double, threads=threads)


def starts(circuit: kc.Circuit, batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(voltages of the inputs, unknowns at the start)."""
    system = System(circuit)
    inputs = np.random.default_rng(seed).normal(size=(batch, len(circuit.inputs)))
    start = np.tile(system.initial, (batch, 1))
    start[:, np.searchsorted(system.free, circuit.inputs)] = inputs
    return inputs, start


@pytest.mark.parametrize("case", CIRCUITS)
def test_batches_converge_to_the_native_simulator(case: str) -> None:
    circuit = compiled(CIRCUITS[case])
    inputs, start = starts(circuit, 19)
    system = System(circuit)
    errors = []
    for steps in (10, 20):
        ends = made(circuit, steps=steps).forward(start, columns(system))[:, 0]
        worst = 0.0
        for k in (0, 18):
            native = kc.simulate(circuit.with_initial(inputs[k]), until=None if circuit.phases else 2.0, rtol=1e-12, points=2)
            expected = np.concatenate([native.values[-1][system.free - 1], native.values[-1][circuit.nodes.count - 1 :]])
            worst = max(worst, float(np.abs(ends[k] - expected).max()))
        errors.append(worst)
    assert errors[1] < 1e-5
    assert errors[0] / errors[1] > 11  # 16 is fourth order


@pytest.mark.parametrize("method", [name for name, one in METHODS.items() if not one.diagonal])
@pytest.mark.parametrize("case", CIRCUITS)
def test_the_adjoint_is_the_derivative_of_the_steps(case: str, method: str) -> None:
    circuit = compiled(CIRCUITS[case])
    _, start = starts(circuit, 9)
    kernel = made(circuit, steps=4, method=method, record=(0, 3, 4))
    assert_derivative(kernel, start, columns(System(circuit)), 1e-7)


def assert_derivative(kernel: Program, start: np.ndarray, given: list[list[np.ndarray | None]], tolerance: float,
                      step: float = 1e-5) -> None:
    rng = np.random.default_rng(1)
    cotangent = rng.normal(size=kernel.forward(start, given).shape)
    start_bar, bars, _ = kernel.adjoint(start, given, cotangent)

    def difference(change) -> float:
        up, down = (float((kernel.forward(*change(sign * step)) * cotangent).sum()) for sign in (1, -1))
        return (up - down) / (2 * step)

    toward = rng.normal(size=start.shape)
    assert difference(lambda h: (start + h * toward, given)) == pytest.approx(float((start_bar * toward).sum()), rel=tolerance)
    for g, group in enumerate(bars):
        for p, bar in enumerate(group):
            if bar is None or not bar.any():
                continue
            way = rng.normal(size=bar.shape)

            def moved(h: float, g=g, p=p, way=way):
                changed = [list(one) for one in given]
                changed[g][p] = given[g][p] + h * way
                return start, changed

            expected = float((bar * way).sum())
            assert difference(moved) == pytest.approx(expected, rel=tolerance, abs=tolerance * float(np.abs(bar).max()))


def test_ramps_and_rails_have_the_derivative_of_their_active_set() -> None:
    body = ("node a[6]; input a; Capacitor(a[i], gnd) { c = 1 F } for i in 0..6;"
            "ShiftRelu(a[i], a[j]) { k = 0.3 S + 0.1 S * i - 0.2 S * j, th = 0.05 V * j } for i in 0..6, j in 0..6 if i != j;"
            "ShiftLeakyRelu1(a[i], gnd) { p0 = 0.1 V * i, p1 = 0.2 S } for i in 0..6;")
    circuit = compiled(body)
    given = columns(System(circuit))
    _, start = starts(circuit, 40, seed=3)
    kernel = made(circuit, rail=0.7, record=(0, 5, 10))
    inside = 0.69 * np.tanh(start)
    ends = kernel.forward(inside, given)
    assert np.abs(ends).max() == 0.7
    assert_derivative(kernel, inside, given, 1e-6, step=1e-7)


def test_drives_of_each_sample_have_a_derivative() -> None:
    circuit = compiled(CIRCUITS["drives"].replace("Capacitor(u, a[1]) { c = 0.4 F };", ""))
    kernel, given = made(circuit, steps=3), columns(System(circuit))
    _, start = starts(circuit, 5)
    rng = np.random.default_rng(0)
    schedule = fixed_schedule(circuit, 3, 2.0)
    drives = rng.normal(size=(5, schedule.count, 4, 2))
    cotangent = rng.normal(size=kernel.forward(start, given, drives).shape)
    _, _, bar = kernel.adjoint(start, given, cotangent, drives, wants_drives=True)
    way, h = rng.normal(size=drives.shape), 1e-5
    up, down = (float((kernel.forward(start, given, drives + s * h * way) * cotangent).sum()) for s in (1, -1))
    assert (up - down) / (2 * h) == pytest.approx(float((bar * way).sum()), rel=1e-7)


def flat(adjoint) -> list[np.ndarray]:
    """Every derivative of an adjoint."""
    return [adjoint[0], *(bar for group in adjoint[1] for bar in group if bar is not None)]


def test_steps_run_again_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With little room the adjoint keeps few states and runs the steps between them again."""
    circuit = compiled(CIRCUITS["pairs"])
    kernel, given = made(circuit, steps=23, record=(0, 7, 23)), columns(System(circuit))
    _, start = starts(circuit, 9)
    cotangent = np.random.default_rng(0).normal(size=(9, 3, 5))
    whole = kernel.adjoint(start, given, cotangent)
    monkeypatch.setattr(program, "SAVED_BYTES", 1)
    parts = kernel.adjoint(start, given, cotangent)
    for a, b in zip(flat(whole), flat(parts), strict=True):
        np.testing.assert_array_equal(a, b)


def test_threads_share_the_tiles_of_a_batch() -> None:
    circuit = compiled(CIRCUITS["pairs"])
    given = columns(System(circuit))
    _, start = starts(circuit, 200)
    cotangent = np.random.default_rng(0).normal(size=(200, 1, 5))
    one, two = (made(circuit, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.forward(start, given), two.forward(start, given))
    a, b, again = one.adjoint(start, given, cotangent), two.adjoint(start, given, cotangent), two.adjoint(start, given, cotangent)
    for p, q, r in zip(*map(flat, (a, b, again)), strict=True):
        np.testing.assert_allclose(q, p, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(q, r)


def test_threads_that_change_after_a_run_do_not_change_its_tiles() -> None:
    """Two threads share 20 samples in small tiles; what is kept of them is no tile of one thread."""
    circuit = compiled(CIRCUITS["pairs"])
    kernel, given = made(circuit, threads=2), columns(System(circuit))
    _, start = starts(circuit, 20)
    cotangent = np.random.default_rng(0).normal(size=(20, 1, 5))
    kept = kernel.keep(20)
    kernel.forward(start, given, kept=kept)
    kernel.threads = 1
    found, wanted = (flat(kernel.adjoint(start, given, cotangent, kept=one)) for one in (kept, None))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_single_precision_agrees() -> None:
    for case, body in CIRCUITS.items():
        circuit = compiled(body)
        given = columns(System(circuit))
        _, start = starts(circuit, 9)
        ends = [made(circuit, double=double).forward(start, given) for double in (True, False)]
        assert np.abs(ends[0] - ends[1]).max() < 3e-6, case


def test_an_empty_batch_and_a_circuit_without_flows() -> None:
    circuit = compiled(CIRCUITS["pairs"])
    assert made(circuit).forward(np.zeros((0, 5)), columns(System(circuit))).shape == (0, 1, 5)
    still = compiled("node a; input a; Capacitor(a, gnd) { c = 1 F };")
    np.testing.assert_array_equal(made(still).forward(np.array([[2.5]]), columns(System(still))), [[[2.5]]])


@pytest.mark.parametrize("case", ["pairs", "laws", "phases", "states", "islands"])
def test_chosen_steps_keep_their_tolerance(case: str) -> None:
    circuit = compiled(CIRCUITS[case])
    inputs, start = starts(circuit, 9)
    kernel, system = made(circuit, steps=1, method="tsit5"), System(circuit)
    errors, tried = [], []
    for rtol in (1e-4, 1e-7, 1e-10):
        ends, steps = kernel.adaptive(start, columns(system), rtol=rtol, atol=rtol)
        native = kc.simulate(circuit.with_initial(inputs[8]), until=None if circuit.phases else 2.0, rtol=1e-13, points=2)
        expected = np.concatenate([native.values[-1][system.free - 1], native.values[-1][circuit.nodes.count - 1 :]])
        errors.append(float(np.abs(ends[8] - expected).max()))
        tried.append(float(steps.mean()))
    assert errors[0] < 1e-3
    assert errors[1] < 1e-6
    assert errors[2] < 2e-9
    assert tried[0] < tried[1] < tried[2]


def test_a_sample_has_the_steps_it_would_have_alone() -> None:
    circuit = compiled(CIRCUITS["pairs"])
    kernel, given = made(circuit, steps=1, method="tsit5"), columns(System(circuit))
    _, start = starts(circuit, 40)
    start[::2] *= 30.0
    ends, steps = kernel.adaptive(start, given, rtol=1e-6, atol=1e-6)
    alone, own = kernel.adaptive(start[17:18], given, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(alone[0], ends[17], rtol=1e-12)
    assert own[0] == steps[17]
    assert len(set(steps)) > 1


def test_a_tolerance_that_cannot_be_met_is_said() -> None:
    circuit = compiled("node a; input a; Capacitor(a, gnd) { c = 1 uF }; Multiplier(a, a, a) { k = 1 A/V^2 };")
    kernel, given = made(circuit, steps=1, method="tsit5"), columns(System(circuit))
    with pytest.raises(kc.SimulatorFailed, match="KC0601"):  # grows without bound before the end
        kernel.adaptive(np.array([[1.0]]), given, rtol=1e-6, atol=1e-6)
    with pytest.raises(kc.UsageError, match="KC0503"):
        made(circuit).adaptive(np.array([[1.0]]), given, rtol=1e-6, atol=1e-6)


def test_the_last_step_reaches_the_end_however_near_the_one_before_came() -> None:
    """The first steps of a constant rate are 1, 5 and 25 hundredths of the voltage: here they end 1e-6 V before the end."""
    constant = compiled("node a; input a; Capacitor(a, gnd) { c = 1 F }; Bias(a) { i = 1 A };",
                        HEAD.replace("Multiplier", "Multiplier, Bias"))
    start = np.array([[2.0 * (1 - 5e-7) / 0.31]])
    ends, _ = made(constant, steps=1, method="tsit5").adaptive(start, columns(System(constant)), rtol=1e-12, atol=1e-12)
    assert ends[0, 0] == pytest.approx(start[0, 0] + 2.0, rel=1e-13)


def test_a_tolerance_finer_than_the_numbers_is_refused() -> None:
    """float32 once took 48,000 steps for rtol 1e-12, and was off by 2e-5."""
    circuit = compiled(CIRCUITS["pairs"])
    given, (_, start) = columns(System(circuit)), starts(circuit, 2)
    for double, rtol in ((False, 1e-7), (True, 1e-16), (True, 0.0), (True, np.nan)):
        with pytest.raises(kc.UsageError, match=r"KC0503.*rtol lies between"):
            made(circuit, steps=1, method="tsit5", double=double).adaptive(start, given, rtol=rtol, atol=1e-6)
    with pytest.raises(kc.UsageError, match=r"KC0503.*atol is positive"):
        made(circuit, steps=1, method="tsit5").adaptive(start, given, rtol=1e-6, atol=0.0)


def test_single_precision_keeps_the_finest_tolerance_it_takes() -> None:
    circuit = compiled(CIRCUITS["laws"])
    given, (_, start) = columns(System(circuit)), starts(circuit, 9)
    narrow, _ = made(circuit, steps=1, method="tsit5", double=False).adaptive(start, given, rtol=5e-7, atol=5e-7)
    wide, _ = made(circuit, steps=1, method="tsit5").adaptive(start, given, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(narrow, wide, rtol=5e-6, atol=5e-6)
