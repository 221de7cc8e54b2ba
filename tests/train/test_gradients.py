"""Gradients of the discrete map against differences, on circuits of every kind."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from circuits import PROGRAMS, UNCOUPLED, module, samples  # noqa: E402

import kcompile as kc  # noqa: E402

CASES = [(name, rail) for name in PROGRAMS for rail in ("clamp", "ideal") if rail == "clamp" or name == "rails"]


def call(one, method: str = "forward"):
    """A function of inputs and parameters, and its arguments."""
    names = [name for name, _ in one.named_parameters()]
    function = lambda x, *values: torch.func.functional_call(one, dict(zip(names, values, strict=True)), (x,))  # noqa: E731
    return function, tuple(one.parameters())


@pytest.mark.parametrize(("name", "rail"), CASES)
@pytest.mark.parametrize("solver", ["heun", "rk4"])
def test_gradients_of_inputs_and_parameters(name: str, rail: str, solver: str) -> None:
    one = module(name, solver, 2, rail=rail)
    function, values = call(one)
    assert torch.autograd.gradcheck(function, (samples(name).requires_grad_(), *values))


def test_second_derivatives() -> None:
    function, values = call(module("states", "heun", 1))
    assert torch.autograd.gradgradcheck(function, (samples("states", 1).requires_grad_(), *values))


def test_gradients_of_drives() -> None:
    one = kc.CircuitModule(kc.compile(kc.Source("d.kc", UNCOUPLED)), "heun", 1, 1.5, torch.float64)
    shape = (2, *one.stage_times.shape, 2)
    drives = torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float64)).view(shape).requires_grad_()
    assert torch.autograd.gradcheck(one, (samples("drives").requires_grad_(), drives))


def test_gradients_of_tied_instances_add_up() -> None:
    text = """use std.passive: Capacitor; use std.compute: Transconductor;
        circuit {0} {{ {1} node x[4]; Capacitor(n, gnd) {{ c = 1 F }} for n in x;
            Transconductor t(x[k], x[k + 1]) {{ gm = {2} }} for k in 0..3; input x; output x; }}"""
    tied, loose = (kc.CircuitModule(kc.compile(kc.Source("t.kc", text.format(*parts))), until=1.0, dtype=torch.float64)
                   for parts in (("Tied", "param w: conductance = 0.4 S trainable;", "w"), ("Loose", "", "0.4 S")))
    x = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    for one in (tied, loose):
        one(x).square().sum().backward()
    torch.testing.assert_close(tied.w.grad, loose.t.gm.grad.sum())


def test_a_fixed_parameter_does_not_train() -> None:
    text = """use std.passive: Capacitor; use std.compute: Bias;
        circuit F { node x; Capacitor(x, gnd); Bias a(x) { fixed i = 1 A }; Bias b(x); output x; }"""
    assert [name for name, _ in kc.CircuitModule(kc.compile(kc.Source("f.kc", text)), until=1.0).named_parameters()] == ["b.i"]


def test_no_gradient_passes_where_the_ideal_rail_binds() -> None:
    one = module("rails", "heun", 20, rail="ideal")
    states = one.trajectory(torch.tensor([[0.5, 0.5, 0.5]], dtype=torch.float64))
    assert states[0, -1].tolist() == [0.6, 0.6, 0.6, 1.0]
    states[0, -1].sum().backward()
    assert all(not parameter.grad.any() for parameter in one.parameters())
