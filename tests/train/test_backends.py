"""Compiled steps give what the eager ones give; ideal rails are found and projected as the interface says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from circuits import PROGRAMS, circuit, module, samples  # noqa: E402

import kcompile as kc  # noqa: E402
from kcompile.lower.base import BenchOptions  # noqa: E402
from kcompile.lower.ir import TARGET as CANONICAL  # noqa: E402
from kcompile.train.linear import incidence, product, select  # noqa: E402
from kcompile.train.rails import ideal_rails, is_clamp  # noqa: E402


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_compiled_steps_agree_with_eager_ones() -> None:
    # In a process of its own: torch's compiler imports modules that warn, and keeps workers.
    code = """import sys, torch
from circuits import module, samples
x = samples("drives").float()
eager, compiled = (module("drives", "heun", 1, dtype=torch.float32, backend=name) for name in ("torch", "compiled"))
for one in (eager, compiled):
    one(x).square().sum().backward()
torch.testing.assert_close(compiled(x), eager(x), rtol=1e-5, atol=1e-6)
for (name, a), b in zip(eager.named_parameters(), compiled.parameters(), strict=True):
    torch.testing.assert_close(b.grad, a.grad, rtol=1e-5, atol=1e-5)
print(not torch._dynamo.utils.counters["graph_break"])"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True,
                          timeout=300, env={**os.environ, "PYTHONPATH": str(Path(kc.__file__).parent.parent)})
    assert done.stdout.split() == ["True"], done.stderr


def euler_clip(flow, y, h, lower, upper):
    """Two stages of Heun with projections, written out."""
    first = flow(y)
    second = flow(np.clip(y + h * first, lower, upper))
    return np.clip(y + h * (0.5 * first + 0.5 * second), lower, upper)


def test_stages_and_steps_are_projected() -> None:
    one = module("rails", "heun", 4, rail="ideal")
    bare, lower, upper = ideal_rails(circuit("rails"))
    system = kc.sim.pack.System(bare)
    y = np.array([0.9, -0.2, 0.45, 0.0])
    found = one.trajectory(torch.tensor(y[None, :3]))[0].detach().numpy()
    y = np.clip(y, lower, upper)  # an input outside its rail starts on it
    for k, row in enumerate(found):
        np.testing.assert_allclose(row, y, rtol=0, atol=1e-15)
        y = euler_clip(lambda x: system.rhs(0, 0.0, x, 0.0), y, 0.25, lower, upper)
    assert lower.tolist() == [-0.5, -0.5, -0.5, -1.0] and upper.tolist() == [0.6, 0.6, 0.6, 1.0] and k == 4


def test_clamps_are_known_by_their_path_and_law() -> None:
    text = PROGRAMS["rails"][0].replace("use std.passive: Capacitor;", """use std.passive: Capacitor;
        device Rail(n) { param lower: voltage = 0 V; param upper: voltage = 1 V; param g: conductance = 1 S in (0, inf);
                         I(n) <+ g * (relu(V(n) - upper) - relu(lower - V(n))); }""").replace("input x;", "Rail own(y); input x;")
    flat = kc.compile(kc.Source("r.kc", text))
    assert [table.bank for table in flat.tables if is_clamp(table)] == ["rail.x", "rail.y"]
    (canonical,) = CANONICAL.lower(flat, BenchOptions(""))
    again = kc.compile(kc.Source("r.kcir", canonical.text))
    for one in (flat, again):
        bare, lower, upper = ideal_rails(one)
        assert [table.bank for table in bare.tables if "ail" in table.model.name] == ["own"]
        assert lower.tolist() == [-0.5, -0.5, -0.5, -1.0] and upper.tolist() == [0.6, 0.6, 0.6, 1.0]


def test_limits_of_states_and_of_nodes_without_rails_are_infinite() -> None:
    bare, lower, upper = ideal_rails(circuit("states"))
    assert len(lower) == kc.sim.pack.System(bare).size
    assert np.all(np.isneginf(lower)) and np.all(np.isposinf(upper)) and len(lower) == len(upper) == 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_linear_maps_and_their_transposes(dtype: torch.dtype) -> None:
    import scipy.sparse

    rng = np.random.default_rng(0)
    like = torch.zeros(0, dtype=dtype)
    rows = rng.integers(0, 5, 30)
    others = (rows + rng.integers(1, 5, 30)) % 5
    places = np.concatenate([rows, others]), np.tile(np.arange(30), 2)
    matrix = scipy.sparse.csr_array((np.repeat([1.0, -1.0], 30), places), shape=(6, 30))
    chosen = scipy.sparse.csr_array((np.ones(30), (np.arange(30), rows)), shape=(30, 6))
    for linear, dense in ((select(rows, 6, like), chosen), (incidence(matrix, like), matrix), (product(matrix, like), matrix)):
        dense = torch.tensor(dense.toarray(), dtype=dtype)
        x = torch.tensor(rng.normal(size=(dense.shape[1], 4)), dtype=dtype, requires_grad=True)
        torch.testing.assert_close(linear(x), dense @ x)
        g = torch.tensor(rng.normal(size=(dense.shape[0], 4)), dtype=dtype)
        torch.testing.assert_close(torch.autograd.grad(linear(x), x, g)[0], dense.T @ g)


def test_a_choice_does_not_follow_its_index_array() -> None:
    index = np.array([2, 0])
    one = select(index, 3, torch.zeros(0, dtype=torch.float64))
    index[:] = 1
    assert one(torch.arange(3.0, dtype=torch.float64)[:, None]).tolist() == [[2.0], [0.0]]


def test_threads_do_not_change_a_bit() -> None:
    one = module("drives", dtype=torch.float32)
    x = samples("drives", 64).float()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        one.zero_grad()
        one(x).sum().backward()
        found.append([one(x), *(parameter.grad.clone() for parameter in one.parameters())])
    torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


FIXED = [name for name in PROGRAMS if name != "states"]
"""Circuits whose capacitances are not trained."""


@pytest.mark.parametrize("rail", ["clamp", "ideal"])
@pytest.mark.parametrize("solver", ["heun", "rk4", "tsit5"])
@pytest.mark.parametrize("name", FIXED)
def test_generated_cpp_and_torch_are_two_programs_of_one_map(name: str, solver: str, rail: str) -> None:
    """States at all steps, and the derivative of a function of them to inputs and parameters."""
    found = []
    for backend in ("torch", "cpp"):
        one, x = module(name, solver, 4, rail=rail, backend=backend), samples(name, 5).requires_grad_()
        assert one.backend == backend
        states = one.trajectory(x)
        (states**3).sum().backward()
        found.append([states.detach(), x.grad, *(parameter.grad for parameter in one.parameters())])
    for a, b in zip(*found, strict=True):
        scale = float(a.abs().max())
        assert scale > 0
        assert float((a - b).abs().max()) <= 1e-13 * scale


@pytest.mark.parametrize("batch", [1, 3, 17])
def test_a_network_of_several_blocks_is_the_same_map(batch: int) -> None:
    """More nodes than a kernel keeps in the nearest cache, and a sample alone in strips over several vectors."""
    circuit = kc.compile(kc.Source("net.kc", """
        use std.passive: Capacitor;
        use std.kirchhoff: ShiftRelu;
        circuit Net {
            node x[110];
            Capacitor(n, gnd) { c = 50 F } for n in x;
            ShiftRelu w(a, b) for a in x, b in gnd + x if a != b;
            input x;
            output x;
        }"""))
    rng = np.random.default_rng(0)
    circuit = circuit.with_params({name: rng.uniform(-1, 1, len(values)) for name, values in circuit.parameters().items()
                                   if name in circuit.trainable()})
    start = torch.tensor(rng.normal(size=(batch, 110)))
    found = []
    for backend in ("torch", "cpp"):
        one = kc.CircuitModule(circuit, steps=3, until=1.0, dtype=torch.float64, backend=backend)
        x = start.clone().requires_grad_()
        with torch.no_grad():
            alone = one(x)
        ends = one(x)
        assert (ends - x).abs().max() > 0.1
        (ends**3).sum().backward()
        found.append([alone, ends.detach(), x.grad, *(parameter.grad for parameter in one.parameters())])
    for a, b in zip(*found, strict=True):
        assert float((a - b).abs().max()) <= 1e-13 * float(a.abs().max())


def test_trained_capacitances_take_the_torch_path() -> None:
    """A kernel holds the inverse of the capacitances as a constant; their gradient would be zero without a word."""
    assert module("states", backend="auto").backend == "torch"
    assert module("slices", backend="auto").backend == "cpp"
    with pytest.raises(kc.UsageError, match="takes no trainable capacitances"):
        module("states", backend="cpp")


def test_without_a_compiler_torch_runs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.warns(UserWarning, match="there is no C\\+\\+ compiler"):
        assert module("slices", backend="auto").backend == "torch"
    with pytest.raises(kc.ToolMissing, match="KC0717"):
        module("slices", backend="cpp")
