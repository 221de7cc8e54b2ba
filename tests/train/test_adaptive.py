"""Outputs with steps chosen for each sample, against the native simulator."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from circuits import PROGRAMS, circuit, samples  # noqa: E402

import kcompile as kc  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def without_waves() -> list[str]:
    return [name for name in PROGRAMS if not circuit(name).stimuli and not any(t.waves for t in circuit(name).tables)
            and circuit(name).outputs.size]


@pytest.mark.parametrize("name", without_waves())
def test_outputs_are_those_of_the_native_simulator(name: str) -> None:
    flat = circuit(name)
    one = kc.CircuitModule(flat, steps=1, until=PROGRAMS[name][1], dtype=torch.float64)
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


def test_waveforms_and_other_devices_are_refused() -> None:
    drives = kc.CircuitModule(circuit("drives"), until=PROGRAMS["drives"][1], dtype=torch.float64)
    with pytest.raises(kc.UsageError, match="KC0503"):
        drives.adaptive(samples("drives", 1))
    with pytest.raises(kc.UsageError, match="KC0509"):
        kc.CircuitModule(circuit("slices"), backend="torch").to("meta").adaptive()
