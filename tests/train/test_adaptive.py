"""Outputs with steps chosen for each sample, against the native simulator."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from circuits import PROGRAMS, circuit, samples  # noqa: E402

import kcompile as kc  # noqa: E402
from kcompile.train.choose import trains_capacitances  # noqa: E402

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def has_waves(name: str) -> bool:
    flat = circuit(name)
    return len(flat.stimuli) > 0 or any(table.waves for table in flat.tables)


SEEN = [name for name in PROGRAMS if circuit(name).outputs.size]
IN_CPP = [name for name in SEEN if not (has_waves(name) or trains_capacitances(circuit(name)))]


@pytest.mark.parametrize(("name", "backend"), [
    *((name, backend) for name in SEEN for backend in ("torch", "auto")),
    *(pytest.param(name, "cpp", marks=needs_compiler) for name in IN_CPP)])
def test_outputs_are_those_of_the_native_simulator(name: str, backend: str) -> None:
    flat = circuit(name)
    one = kc.CircuitModule(flat, steps=1, until=PROGRAMS[name][1], dtype=torch.float64, backend=backend)
    x = samples(name, 3)
    found = one.adaptive(x, rtol=1e-9, atol=1e-9)
    assert not found.requires_grad
    for k in range(3):
        wanted = kc.simulate(flat.with_initial(x[k].tolist()), until=PROGRAMS[name][1], rtol=1e-12, points=2).read_out
        np.testing.assert_allclose(found[k].numpy(), wanted, atol=1e-6)


def test_new_values_and_a_new_dtype_are_taken() -> None:
    one = kc.CircuitModule(circuit("slices"), steps=1, dtype=torch.float64)
    x = samples("slices", 2)
    first = one.adaptive(x)
    torch.testing.assert_close(one.to(torch.float32).adaptive(x.float()), first.float(), atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.data.mul_(0.9)
    assert (one.adaptive(x.float()) - first).abs().max() > 1e-4


@needs_compiler
def test_generated_cpp_refuses_waveforms() -> None:
    drives = kc.CircuitModule(circuit("drives"), until=PROGRAMS["drives"][1], dtype=torch.float64)
    with pytest.raises(kc.UsageError, match="KC0509"):  # a capacitance is trained
        kc.CircuitModule(circuit("states"), until=PROGRAMS["states"][1], backend="cpp")
    fixed = kc.CircuitModule(circuit("drives"), until=PROGRAMS["drives"][1], dtype=torch.float64, backend="cpp")
    with pytest.raises(kc.UsageError, match="KC0503"):
        fixed.adaptive(samples("drives", 1))
    assert drives.adaptive(samples("drives", 1)).shape == (1, 3)


def test_trained_capacitances_are_those_of_now() -> None:
    """Generated C++ once ran with the capacitances that the module had been made with."""
    one = kc.CircuitModule(circuit("states"), steps=1, until=PROGRAMS["states"][1], dtype=torch.float64)
    with torch.no_grad():
        one.get_parameter("m.c").mul_(3)
    x = samples("states", 1)
    wanted = kc.simulate(one.circuit().with_initial(x[0].tolist()), until=PROGRAMS["states"][1], rtol=1e-12, points=2).read_out
    np.testing.assert_allclose(one.adaptive(x, rtol=1e-9, atol=1e-9)[0].numpy(), wanted, atol=1e-6)


def test_a_smaller_tolerance_takes_more_steps_and_errs_less() -> None:
    one = kc.CircuitModule(circuit("drives"), steps=1, until=PROGRAMS["drives"][1], dtype=torch.float64)
    x = samples("drives", 4)
    exact = one.adaptive(x, rtol=1e-12, atol=1e-12)
    errors = [float((one.adaptive(x, rtol=rtol, atol=rtol) - exact).abs().max()) for rtol in (1e-3, 1e-5, 1e-7, 1e-9)]
    assert errors[0] < 1e-2
    assert all(later < earlier / 10 for earlier, later in itertools.pairwise(errors))


@pytest.mark.parametrize("backend", ["torch", pytest.param("cpp", marks=needs_compiler)])
def test_what_grows_without_bound_is_refused(backend: str) -> None:
    grows = kc.compile(kc.Source("grows.kc", """
        use std.passive: Capacitor;
        use std.compute: Multiplier;
        circuit Grows { node a; Capacitor(a, gnd) { c = 1 F }; Multiplier(a, a, a) { k = 1 A/V^2 }; input a; output a; }"""))
    one = kc.CircuitModule(grows, steps=1, until=2.0, dtype=torch.float64, backend=backend)
    with pytest.raises(kc.SimulatorFailed, match=r"KC0601.*1 of 2 samples.*, 1 first"):
        one.adaptive(torch.tensor([[-1.0], [1.0]], dtype=torch.float64))
    torch.testing.assert_close(one.adaptive(torch.tensor([[-1.0]], dtype=torch.float64)),
                               torch.tensor([[-1 / 3]], dtype=torch.float64), atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", ["torch", pytest.param("cpp", marks=needs_compiler)])
def test_a_sample_ends_as_it_would_alone(backend: str) -> None:
    one = kc.CircuitModule(circuit("slices"), steps=1, dtype=torch.float64, backend=backend)
    x = samples("slices", 5) * torch.tensor([1.0, 30.0, 0.01, 3.0, 1.0])[:, None]
    together = one.adaptive(x, rtol=1e-5, atol=1e-5)
    alone = torch.cat([one.adaptive(sample[None], rtol=1e-5, atol=1e-5) for sample in x])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


def test_no_step_reaches_over_a_corner() -> None:
    """A ramp up to 1 A and one down, into 1 F: steps that stop at the corner integrate them exactly, whatever the tolerance."""
    ramps = kc.compile(kc.Source("ramps.kc", """
        use std.passive: Capacitor;
        use std.sources: CurrentSource;
        circuit Ramps { node a; Capacitor(a, gnd) { c = 1 F }; input a; output a;
            CurrentSource(gnd, a) { i = pwl(0 s, 0 A, 0.3 s, 1 A, 1 s, 0 A) }; }"""))
    one = kc.CircuitModule(ramps, steps=1, until=1.0, dtype=torch.float64)
    ends = one.adaptive(torch.tensor([[0.0], [5.0]], dtype=torch.float64), rtol=0.1, atol=10.0)
    torch.testing.assert_close(ends, torch.tensor([[0.5], [5.5]], dtype=torch.float64), rtol=0, atol=1e-12)
