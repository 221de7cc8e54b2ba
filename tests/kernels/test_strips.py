"""A single sample in strips of devices against the same sample in a batch, which runs in tiles of samples."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from kcompile.kernels.plan import Plan
from kcompile.kernels.program import Program
from kcompile.kernels.runs import sort_into_strips
from kcompile.kernels.strips import find_strips
from kcompile.sim.pack import System
from kcompile.sim.schedule import fixed_schedule
from kcompile.sim.tableau import METHODS, RK4

HEAD = ("use std.kirchhoff: ShiftRelu, ShiftLeakyRelu1, ShiftTanh, ShiftTanh2, Conductance;"
        "use std.compute: Multiplier; use std.passive: Capacitor, Resistor;")
PAIRS = "for i in 0..21, j in 0..21 if i != j;"
CIRCUITS = {
    "dense": f"node a[21]; input a; Capacitor(n, gnd) {{ c = 3 F }} for n in a;"
             f"ShiftTanh(a[i], a[j]) {{ i0 = 0.1 A + 0.02 A * i }} {PAIRS}"
             f"ShiftTanh(a[i], a[j]) {{ i0 = 0.1 A, th = 0.05 V * j }} {PAIRS} Conductance(n, gnd) {{ p0 = 0.3 S }} for n in a;"
             "ShiftTanh(gnd, n) { i0 = 0.2 A } for n in a;",
    "ramps": f"node a[21]; input a; Capacitor(n, gnd) {{ c = 9 F }} for n in a;"
             f"ShiftRelu(a[i], a[j]) {{ k = 0.2 S - 0.02 S * j, th = 0.1 V * i - 0.5 V }} {PAIRS}"
             f"ShiftLeakyRelu1(a[j], a[i]) {{ p0 = 0.1 V, p1 = 0.1 S }} {PAIRS}",
    "both ends apart": f"node a[21]; input a; Capacitor(n, gnd) {{ c = 3 F }} for n in a;"
                       f"ShiftTanh2(a[i], a[j]) {{ p0 = 0.3 V^-1, p1 = 0.04 V^-1 * j, p2 = 0.01 * i }} {PAIRS}",
    "phases": f"node a[21]; input a; Capacitor(n, gnd) {{ c = 3 F }} for n in a;"
              f"phase one for 1 s {{ ShiftTanh(a[i], a[j]) {{ i0 = 0.1 A }} {PAIRS} }}"
              f"phase two for 0.5 s {{ Conductance(a[i], a[j]) {{ p0 = 0.03 S }} {PAIRS} }}",
    "islands": f"node a[21]; input a; Capacitor(n, gnd) {{ c = 3 F }} for n in a;"
               f"Capacitor(a[i], a[i + 3]) {{ c = 0.5 F }} for i in 0..18;"
               f"ShiftTanh(a[i], a[j]) {{ i0 = 0.2 A }} {PAIRS}",
    "drives": f"node a[21], u; input a; drive u = sin(0 V, 1 V, 0.3 Hz); Capacitor(n, gnd) {{ c = 3 F }} for n in a;"
              f"Capacitor(u, a[1]) {{ c = 0.4 F }}; ShiftTanh(u, n) {{ i0 = 0.4 A }} for n in a;"
              f"ShiftTanh(a[i], a[j]) {{ i0 = 0.1 A }} {PAIRS}",
}


def compiled(body: str) -> kc.Circuit:
    return kc.compile(kc.Source("case.kc", f"{HEAD} circuit Case {{ {body} }}"))


def columns(system: System) -> list[list[np.ndarray | None]]:
    return [[np.concatenate([t.params[p.name] for t in g.tables]) for p in g.model.params] for g in system.groups]


def plan(circuit: kc.Circuit, steps: int = 7, double: bool = True) -> Plan:
    system = System(circuit)
    free = np.full(system.size, np.inf)
    return Plan(system, fixed_schedule(circuit, steps, None if circuit.phases else 2.0), RK4, lower=-free, upper=free,
                record=(0,), double=double)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("case", CIRCUITS)
def test_one_sample_alone_is_the_sample_in_a_batch(case: str, double: bool, method: str) -> None:
    circuit = compiled(CIRCUITS[case])
    system = System(circuit)
    assert find_strips(plan(circuit, double=double)) is not None
    start = np.clip(np.random.default_rng(1).normal(size=(2, system.size)), -0.8, 0.8)
    given, limit = columns(system), np.full(system.size, 0.8)
    schedule = fixed_schedule(circuit, 7, None if circuit.phases else 2.0)

    def program(double: bool) -> Program:
        return Program(system, schedule, METHODS[method], lower=-limit, upper=limit, record=(0, 3, schedule.count), double=double,
                       threads=1)

    one = program(double)
    batch = one.forward(start, given)
    alone = np.concatenate([one.forward(sample[None], given) for sample in start])
    assert np.abs(batch[:, -1] - batch[:, 0]).max() > 0.1
    # In float32 as far from float64 as a batch is, but for the order of sums.
    exact = program(True).forward(start, given)
    allowed = 1e-14 if double else 4 * np.abs(batch - exact).max()
    assert np.abs(alone - exact).max() < allowed


@pytest.mark.parametrize("rail", [np.inf, 0.8])
@pytest.mark.parametrize("case", [name for name in CIRCUITS if name != "drives"])
def test_steps_chosen_for_one_sample_are_those_chosen_in_a_batch(case: str, rail: float) -> None:
    circuit = compiled(CIRCUITS[case])
    system = System(circuit)
    start = np.clip(np.random.default_rng(1).normal(size=(2, system.size)), -0.8, 0.8)
    given, limit = columns(system), np.full(system.size, rail)
    schedule = fixed_schedule(circuit, 1, None if circuit.phases else 2.0)
    one = Program(system, schedule, METHODS["tsit5"], lower=-limit, upper=limit, record=(schedule.count,), double=True)
    batch, steps = one.adaptive(start, given, rtol=1e-8, atol=1e-8)
    for k in range(2):
        alone, taken = one.adaptive(start[k : k + 1], given, rtol=1e-8, atol=1e-8)
        # At kinks and rails the last bits of a sum may decide about a step.
        assert abs(taken[0] - steps[k]) <= 1 + 0.05 * steps[k]
        assert np.abs(alone[0] - batch[k]).max() < 1e-5
    with pytest.raises(kc.SimulatorFailed, match="KC0601"):
        one.adaptive(start[:1], given, rtol=1e-12, atol=1e-12, most=3)


def test_drives_of_one_sample_are_read() -> None:
    circuit = compiled(CIRCUITS["drives"].replace("Capacitor(u, a[1]) { c = 0.4 F };", ""))
    system = System(circuit)
    schedule = fixed_schedule(circuit, 7, 2.0)
    free = np.full(system.size, np.inf)
    program = Program(system, schedule, RK4, lower=-free, upper=free, record=(schedule.count,), double=True)
    rng = np.random.default_rng(0)
    start, drives = rng.normal(size=(2, system.size)), rng.normal(size=(2, schedule.count, 4, 1))
    batch = program.forward(start, columns(system), drives)
    for k in range(2):
        alone = program.forward(start[k : k + 1], columns(system), drives[k : k + 1])
        assert np.abs(alone[0] - batch[k]).max() < 1e-14


def test_new_values_are_seen_though_they_lie_in_the_same_array() -> None:
    circuit = compiled(CIRCUITS["dense"])
    system = System(circuit)
    program = Program(system, fixed_schedule(circuit, 5, 1.0), RK4, lower=np.full(system.size, -np.inf),
                      upper=np.full(system.size, np.inf), record=(5,), double=True)
    start, given = np.ones((1, system.size)), columns(system)
    first = program.forward(start, given)
    for group in given:
        for column in group:
            assert column is not None
            column *= 2
    assert np.abs(program.forward(start, given) - first).max() > 1e-3


@pytest.mark.parametrize(("ends", "home", "strips"), [
    ([[1, 2], [1, 3], [1, 4], [1, 5], [1, 6]], 0, [(1, 1, 0b1110), (1, 5, 0b0011)]),
    ([[1, 2], [1, 2], [1, 3]], 0, [(1, 1, 0b0110), (1, 1, 0b0010)]),
    ([[1, 4], [2, 3], [1, 2], [2, 4]], 0, [(1, 1, 0b1010), (2, 1, 0b1100)]),
    ([[1, 0], [2, 0], [3, 0]], 1, [(0, 1, 0b0111)]),
    ([[1, 0], [1, 2]], 0, [(1, -3, 0b1000), (1, 1, 0b0010)]),
])
def test_strips_hold_devices_whose_other_ends_are_in_one_block(ends: list[list[int]], home: int,
                                                               strips: list[tuple[int, int, int]]) -> None:
    found = sort_into_strips(np.array(ends), home, 4)
    homes = np.repeat(found.home, np.diff(found.runs))
    assert list(zip(homes, found.others[:, 0], found.start, strict=True)) == strips
    seen = []
    for strip, (held, first, bits) in zip(found.order.reshape(-1, 4), strips, strict=True):
        for lane in [k for k in range(4) if bits >> k & 1]:
            assert ends[strip[lane]] == ([held, first + lane] if home == 0 else [first + lane, held])
            seen.append(int(strip[lane]))
    assert sorted(seen) == list(range(len(ends)))


def test_a_network_without_order_stays_in_tiles() -> None:
    ends = "ShiftTanh(a[i], a[(3 * i + 7) % 21]) { i0 = 0.1 A } for i in 0..21;"
    assert find_strips(plan(compiled(f"node a[21]; input a; Capacitor(n, gnd) {{ c = 3 F }} for n in a; {ends}"))) is None
