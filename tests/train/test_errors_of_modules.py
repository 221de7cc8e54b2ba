"""What does not fit a module is refused with a code and the place of the mistake."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from circuits import circuit, module, samples  # noqa: E402

import kcompile as kc  # noqa: E402

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(("named", "code"), [
    ({"solver": "rk5"}, "KC0503"), ({"steps": 0}, "KC0503"), ({"until": 1.0}, "KC0508"), ({"dtype": torch.float16}, "KC0509"),
    ({"rail": "soft"}, "KC0509"), ({"backend": "cuda"}, "KC0509"), ({"steps": 2**40}, "KC0503"), ({"steps": 2.5}, "KC0503"),
])
def test_arguments_of_the_module(named: dict, code: str) -> None:
    with pytest.raises(kc.UsageError, match=code):
        kc.CircuitModule(circuit("slices"), **named)


def test_a_circuit_without_phases_needs_a_time() -> None:
    for until in (None, -1.0, NAN, INF):
        with pytest.raises(kc.UsageError, match="KC0508" if until is None else "KC0503"):
            kc.CircuitModule(circuit("rails"), until=until)


@pytest.mark.parametrize(("change", "code"), [
    (lambda x: x[0], r"KC0550.*\[batch, inputs\]"), (lambda x: x[None], "KC0550"),
    (lambda x: x[:, :1], "KC0507.*2 input nodes, 1"),
    (lambda x: x.float(), "KC0550.*float32"), (lambda x: x.long(), "KC0550.*int64"), (lambda x: x.numpy(), "KC0550.*ndarray"),
    (lambda x: torch.where(torch.arange(2) == 1, NAN, x), r"KC0506.*1 of sample 0, of node `x\[2\]`, is nan"),
    (lambda x: x / 0.0, "KC0506.*inf"), (lambda x: x.to("meta"), "KC0550.*meta"),
])
def test_input_voltages(change, code: str) -> None:
    with pytest.raises(kc.UsageError, match=code):
        module("drives")(change(samples("drives")))


@pytest.mark.parametrize(("change", "code"), [
    (lambda d: d[0], "KC0550"), (lambda d: d[..., :1], r"KC0550.*\[7, 4, 1\]"), (lambda d: d[None, None], "KC0550"),
    (lambda d: d[None].expand(3, -1, -1, -1), "KC0550.*2 samples of input voltages and 3"), (lambda d: d.float(), "KC0550"),
    (lambda d: d + NAN, r"KC0506.*`vin` at \[0, 0\] is nan"), (lambda d: d, "KC0551.*`vin`"),
])
def test_drives(change, code: str) -> None:
    one = module("drives")
    with pytest.raises(kc.UsageError, match=code):
        one(samples("drives"), change(torch.zeros(*one.stage_times.shape, 2, dtype=torch.float64)))


def test_drives_of_a_circuit_that_has_none() -> None:
    with pytest.raises(kc.UsageError, match="KC0550"):
        module("slices")(samples("slices"), torch.zeros(6, 4, 1, dtype=torch.float64))


def test_no_inputs_and_no_outputs() -> None:
    text = "use std.passive: Capacitor; circuit C { node x; Capacitor(x, gnd); initial x = 0.5 V; }"
    one = kc.CircuitModule(kc.compile(kc.Source("c.kc", text)), until=1.0)
    with pytest.raises(kc.UsageError, match=r"KC0550.*no `output`"):
        one()
    with pytest.raises(kc.UsageError, match="KC0507"):
        one.trajectory(torch.zeros(1, 1))
    assert one.trajectory().tolist() == [[[0.5]] * 9]
    assert one.trajectory(torch.zeros(3, 0)).shape == (3, 9, 1)
    assert module("slices").trajectory(torch.zeros(0, 3, dtype=torch.float64)).shape == (0, 7, 5)


def test_a_module_in_half_precision_says_so() -> None:
    one = module("slices").half()
    with pytest.raises(kc.UsageError, match="KC0509"):
        one(samples("slices").half())


def test_without_torch_there_is_a_hint_and_the_rest_works() -> None:
    code = """import sys; sys.modules["torch"] = None
import kcompile as kc
try:
    kc.CircuitModule
except kc.ToolMissing as missing:
    print(missing)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "KC0711" in done.stdout and "kcompile[train]" in done.stdout
