"""Modules of circuits agree with the native simulator, and with themselves in other dtypes, files and loops."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from circuits import PROGRAMS, UNCOUPLED, circuit, module, samples  # noqa: E402

import kcompile as kc  # noqa: E402

ORDERS = {"heun": 2, "rk4": 4, "tsit5": 5}


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_nodes_follow_the_native_simulator(name: str) -> None:
    one = module(name, "tsit5", 200 if name == "rails" else 40)
    flat = circuit(name)
    points = kc.sim.integrate.simulate(flat, until=PROGRAMS[name][1], times=one.times, rtol=1e-12)
    found = one.trajectory(samples(name, 1))[0].detach().numpy()
    assert found.shape == (len(one.times), flat.nodes.count - 1)
    # A kink inside a step leaves an error of second order.
    np.testing.assert_allclose(found, points.values[:, : points.nodes], atol=5e-5 if name == "rails" else 1e-6)
    np.testing.assert_allclose(one(samples(name, 1))[0].detach().numpy(), points.read_out, atol=5e-5 if name == "rails" else 1e-6)


@pytest.mark.parametrize("solver", ORDERS)
def test_smooth_circuits_converge_with_the_order_of_the_method(solver: str) -> None:
    flat = circuit("drives")
    wanted = kc.simulate(flat, until=PROGRAMS["drives"][1], rtol=1e-13, points=2).read_out
    errors = [np.abs(module("drives", solver, n)(samples("drives", 1))[0].detach().numpy() - wanted).max() for n in (15, 30)]
    assert errors[0] / errors[1] > 0.7 * 2 ** ORDERS[solver]
    assert errors[0] < {"heun": 5e-3, "rk4": 3e-6, "tsit5": 1e-8}[solver]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_sample_does_not_see_its_neighbours(name: str) -> None:
    one, x = module(name), samples(name, 5)
    torch.testing.assert_close(one(x), torch.cat([one(row[None]) for row in x]), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", PROGRAMS)
def test_float32_is_close_to_float64(name: str) -> None:
    wide, narrow = module(name), module(name, dtype=torch.float32)
    x = samples(name)
    torch.testing.assert_close(narrow(x.float()).double(), wide(x), rtol=2e-6, atol=2e-6)
    narrow.double()  # the same module in another dtype
    torch.testing.assert_close(narrow(x), wide(x), rtol=1e-6, atol=1e-6)
    assert narrow(x).dtype == torch.float64


def test_charge_is_kept_where_nothing_leaks() -> None:
    one, x = module("slices", steps=6), samples("slices", 4)
    charge = 1.2 * one.trajectory(x).sum(dim=2)
    torch.testing.assert_close(charge, charge[:, :1].expand_as(charge), rtol=0, atol=1e-14)


def test_parameters_have_the_names_shapes_and_values_of_the_source() -> None:
    one = module("drives")
    assert {name: tuple(p.shape) for name, p in one.named_parameters()} == {"r": (), "k": (2,)}
    assert [name for name, _ in module("slices").named_parameters()] == ["mix.w.i0", "mix.w.th", "read.w.k", "read.w.th"]
    values = circuit("states").parameters()
    for name, parameter in module("states").named_parameters():
        assert parameter.tolist() == values[name].tolist()
    assert module("slices").mix.w.th.shape == (6,)


def test_names_that_a_module_has_itself_are_no_obstacle() -> None:
    text = """use std.passive: Capacitor; use std.compute: Bias;
        circuit T { node x, y; Capacitor(n, gnd) { c = 1 F } for n in x + y; Bias train(x) { i = 1 A }; Bias forward(y);
                    Bias(x); Bias(y); output x; }"""
    one = kc.CircuitModule(kc.compile(kc.Source("t.kc", text)), until=1.0, dtype=torch.float64)
    assert [name for name, _ in one.named_parameters()] == ["train.i", "forward.i", "Bias[0].i", "Bias[1].i"]
    assert one.train() is one and one().item() == pytest.approx(1.0)
    assert set(one.state_dict()) == {"train.i", "forward.i", "Bias[0].i", "Bias[1].i"}


def test_instances_of_folded_lines_keep_their_own_names() -> None:
    lines = "\n".join(f"Bias B{k}(x[{k % 4}]) {{ i = {k} A }};" for k in range(40))
    text = ("use std.passive: Capacitor; use std.compute: Bias;\n"
            f"circuit F {{ node x[4]; Capacitor(n, gnd) {{ c = 1 F }} for n in x;\n{lines}\noutput x; }}")
    one = kc.CircuitModule(kc.compile(kc.Source("f.kc", text)), until=1.0, dtype=torch.float64)
    assert len(list(one.parameters())) == 40
    torch.testing.assert_close(one()[0], torch.tensor([sum(range(k, 40, 4)) for k in range(4)], dtype=torch.float64))


def test_files_of_torch_bring_a_module_back() -> None:
    one, x = module("drives"), samples("drives")
    with torch.no_grad():
        one.k.add_(0.1)
    file = io.BytesIO()
    torch.save(one, file)
    file.seek(0)
    for other in (torch.load(file, weights_only=False), copy.deepcopy(one)):
        assert torch.equal(other(x), one(x))
        assert other.circuit().parameters()["k"].tolist() == one.k.tolist()
    fresh = module("drives")
    assert not torch.equal(fresh(x), one(x))
    fresh.load_state_dict(one.state_dict())
    assert torch.equal(fresh(x), one(x))


def test_the_circuit_of_a_module_has_its_values() -> None:
    one = module("states", dtype=torch.float32)
    with torch.no_grad():
        one.m.g.add_(0.1)
    values = one.circuit().parameters()
    assert values["m.g"].tolist() == one.m.g.double().tolist() and values["m.g"].dtype == np.float64
    assert values["l.l"].tolist() == [2.0]


def test_projection_leaves_every_value_inside_its_limits() -> None:
    text = """use std.passive: Capacitor;
        device D(a) { param p: current = 0.05 A in [0 A, 0.1 A] trainable; param q: current = 0.2 A in (0.1 A, 0.3 A) trainable;
                      I(gnd, a) <+ p + q; }
        circuit P { param s: current = 0.15 A in [0.1 A, 1 A] trainable; node x; Capacitor(x, gnd) { c = 1 F };
                    D d(x); D e(x) { q = s }; output x; }"""
    flat = kc.compile(kc.Source("p.kc", text))
    for dtype in (torch.float32, torch.float64):
        one = kc.CircuitModule(flat, until=1.0, dtype=dtype)
        for far in (-1.0, 1.0):
            with torch.no_grad():
                for parameter in one.parameters():
                    parameter.fill_(far)
            with pytest.raises(kc.UsageError, match="KC0505"):
                one.circuit()
            one.project_()
            found = one.circuit().parameters()
            wanted = {"d.p": (0, 0.1), "e.p": (0, 0.1), "d.q": (0.1, 0.3), "s": (0.1, 0.3)}
            for name, ends in wanted.items():
                assert float(found[name].reshape(-1)[0]) == pytest.approx(ends[int(far > 0)], rel=2e-7, abs=1e-40)
            assert 0.1 < found["d.q"][0] < 0.3 and 0.1 < found["s"] < 0.3


def test_a_start_outside_what_a_dtype_holds_is_refused() -> None:
    text = """use std.passive: Capacitor; device D(a) { param p: current = 1.00000001 A in [1.00000001 A, 1.00000002 A] trainable;
        I(gnd, a) <+ p; } circuit P { node x; Capacitor(x, gnd); D d(x); output x; }"""
    flat = kc.compile(kc.Source("p.kc", text))
    with pytest.raises(kc.UsageError, match=r"KC0505.*float32"):
        kc.CircuitModule(flat, until=1.0)
    kc.CircuitModule(flat, until=1.0, dtype=torch.float64)


def test_an_optimiser_finds_the_parameter_that_made_the_data() -> None:
    torch.manual_seed(0)
    one = module("drives", steps=4)
    x = torch.rand(8, 2, dtype=torch.float64)
    with torch.no_grad():
        one.r.fill_(1.2)
        wanted = one(x)
        one.r.fill_(2.5)
    optimiser = torch.optim.LBFGS([one.r], line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = 1e3 * (one(x) - wanted).square().mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert one.r.item() == pytest.approx(1.2, rel=1e-4)


def test_own_drives_that_repeat_the_program_give_its_answer() -> None:
    flat = kc.compile(kc.Source("d.kc", UNCOUPLED))
    one = kc.CircuitModule(flat, steps=5, until=1.5, dtype=torch.float64)
    x, t = samples("drives"), one.stage_times
    drives = torch.tensor(np.stack([0.1 + np.sin(2 * np.pi * 0.7 * t), np.interp(t, *
        [[0.1, 0.3, 0.7, 0.8, 1.1, 1.3, 1.7], [0, 1, 1, 0, 0, 1, 1]])], axis=2))
    torch.testing.assert_close(one(x, drives), one(x))
    torch.testing.assert_close(one.trajectory(x, drives), one.trajectory(x))
    both = torch.stack([drives, drives + 0.1])
    torch.testing.assert_close(one(x, both), torch.cat([one(x[:1], drives), one(x[1:], drives + 0.1)]))
    torch.testing.assert_close(one(None, both).shape, torch.Size([2, 3]))


RAMP = """use std.passive: Capacitor, Resistor; use std.compute: Bias; use std.kirchhoff: ShiftRelu;
    circuit Ramp { node a; Capacitor(a, gnd) { c = 1 F }; Resistor(a, gnd) { r = 1 Ohm }; Bias b(a) { i = 2 A };
                   ShiftRelu w(a, gnd) { k = 8 S, th = 1 V }; input a; output a; }"""


def test_a_step_that_is_safe_at_the_start_runs_away_at_a_ramp_and_the_bound_knows_it() -> None:
    """At 0 V the rate is 1/s, where steps of 2.5 s are stable; above 1 V it is 9/s."""
    flat = kc.compile(kc.Source("ramp.kc", RAMP))
    at_start = np.abs(kc.sim.pack.System(flat).jacobian(0, 0.0, np.zeros(1)).toarray()).max()
    wanted = 10 / 9
    for steps, settles in ((int(np.ceil(50 * at_start / 2.5)), False), (int(np.ceil(50 * 9.0 / 2.7)), True)):
        one = kc.CircuitModule(flat, "rk4", steps, 50.0, torch.float64)
        assert (one.stability().share <= 1.0) is settles
        assert one.stability().rates == pytest.approx([9.0], rel=1e-9)
        assert (abs(one(torch.zeros(1, 1, dtype=torch.float64)).item() - wanted) < 1e-3) is settles


def test_stability_is_that_of_the_present_values_and_rails() -> None:
    one = kc.CircuitModule(kc.compile(kc.Source("ramp.kc", RAMP)), "rk4", 200, 50.0, torch.float64)
    with torch.no_grad():
        one.w.k.fill_(3.0)
    assert one.stability().rates == pytest.approx([4.0], rel=1e-9)
    assert one.stability(-0.5, 0.5).rates == pytest.approx([1.0], rel=1e-9)
    flat = kc.compile(kc.Source("ramp.kc", RAMP.replace("node a;", "node a rail [-1 V, 0.5 V];")))
    ideal, clamp = (kc.CircuitModule(flat, "rk4", 200, 50.0, torch.float64, rail) for rail in ("ideal", "clamp"))
    assert ideal.stability().rates == pytest.approx([1.0], rel=1e-9)
    assert clamp.stability(-2, 2).rates == pytest.approx([109.0], rel=1e-9)
