"""Trainings on specimens of cells: values of a specimen, their gradients, and what draws them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.func import functional_call  # noqa: E402

import kcompile as kc  # noqa: E402
from benchmarks.small_nets import NET, blobs  # noqa: E402
from kcompile.pdk.mismatch import DRAWN, make_lot  # noqa: E402
from kcompile.train.circuit_module import CircuitModule  # noqa: E402
from kcompile.train.data import make_data  # noqa: E402
from kcompile.train.encoding import make_encoding  # noqa: E402
from kcompile.train.judge import judge, make_module  # noqa: E402
from kcompile.train.objective import Objective  # noqa: E402
from kcompile.train.sources.base import Samples  # noqa: E402
from kcompile.train.specimens import specimen_values  # noqa: E402

CELLS = kc.Source("cells.kc", """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Cells {
    pdk sky130;
    param w[2]: real = 3.4 trainable;
    node x[2], y[2];
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase run for 200 ns {
        TanhPair free(x[k], y[j]) { k = 2.6 * (1 - 2 * (k - j) * (k - j)) } for k in 0..2, j in 0..2;
        TanhPair tied(y[k], gnd) { k = w[k] } for k in 0..2;
        TanhPair held(x[k], gnd) { fixed k = -4 } for k in 0..2;
    }
    input x;
    output y;
}
""")
QUICK = {"steps": 10, "batch": 16, "rate": 0.3, "scale": 20.0, "init": 4.0, "standardize": True, "input_scale": 0.1, "epochs": 3,
         "span": 0.3, "mismatch": 1.0, "specimens": 2, "grid": {"k": 1.0}}


class Stop:
    """A watch that stops after so many steps."""

    def __init__(self, after: int) -> None:
        self.after = after

    def note(self, text: str) -> None: ...

    def step(self, done: int, total: int, loss: float, rate: float) -> bool:
        return done == self.after

    def over(self) -> None: ...

    def epoch(self, record: object) -> None: ...


def values_of(module: CircuitModule) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in module.named_parameters()}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_values_are_those_of_the_specimen() -> None:
    circuit = kc.compile(CELLS)
    lot = make_lot(circuit)
    drawn = lot.normals((5, 7))
    wanted = lot.specimen(drawn).parameters()
    given = values_of(CircuitModule(circuit, dtype=torch.float64))
    found = specimen_values(lot, drawn, given, torch.zeros(0, dtype=torch.float64))
    assert set(found) == {*given, *(f"run.{bank}.{name}" for bank in ("free", "tied", "held") for name in DRAWN)}
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-14)
    # Strengths that are given count, those of the circuit do not.
    fourfold = {name: 4 * value for name, value in given.items()}
    stronger = specimen_values(lot, drawn, fourfold, torch.zeros(0, dtype=torch.float64))
    for bank in ("free", "tied"):
        torch.testing.assert_close(stronger[f"run.{bank}.offset"], found[f"run.{bank}.offset"] / 2)


def test_a_specimen_without_deviations_is_the_circuit() -> None:
    circuit = kc.compile(CELLS)
    lot, x = make_lot(circuit), 0.2 * torch.rand(5, 2, dtype=torch.float64)
    plain, drawn = (CircuitModule(one, dtype=torch.float64) for one in (circuit, lot.circuit))
    for factor in (0.0, 1.0):
        values = specimen_values(lot, lot.normals((0,)), values_of(plain), x, factor)
        apart = (functional_call(drawn, values, (x,)) - plain(x)).abs().max()
        assert apart < 1e-14 if factor == 0.0 else apart > 1e-4


def test_gradients_of_strengths_pass_the_law_and_the_deviations() -> None:
    """Against central differences, for one draw; a crossed pair, ties, and strengths that are no parameters of the training."""
    circuit = kc.compile(CELLS)
    lot = make_lot(circuit)
    drawn, module = lot.normals((2,)), CircuitModule(lot.circuit, steps=4, dtype=torch.float64)
    names = ["run.free.k", "w"]
    x = 0.2 * torch.rand(3, 2, dtype=torch.float64)

    def outputs(*values: torch.Tensor) -> torch.Tensor:
        return functional_call(module, specimen_values(lot, drawn, dict(zip(names, values, strict=True)), x, 3.0), (x,))

    start = values_of(module)
    assert torch.autograd.gradcheck(outputs, [start[name].clone().requires_grad_() for name in names], atol=1e-8)


def test_an_interrupted_training_ends_the_same(tmp_path: Path) -> None:
    changes = QUICK | {"coarse": 0.4, "noise": 1e-3}
    whole = kc.train(CELLS, blobs(), **changes)
    for after in (1, 6, 8):
        kc.train(CELLS, blobs(), out=tmp_path / str(after), watch=Stop(after), **changes)
        again = kc.train(CELLS, blobs(), out=tmp_path / str(after), resume=True)
        assert same(dict(again.weights), dict(whole.weights))
        assert [one.train_loss for one in again.history] == [one.train_loss for one in whole.history]


def test_factor_0_is_a_training_without() -> None:
    without = {key: value for key, value in QUICK.items() if key not in ("mismatch", "specimens")}
    fits = [kc.train(CELLS, blobs(), **changes) for changes in (without, QUICK | {"mismatch": 0.0}, QUICK)]
    assert same(dict(fits[0].weights), dict(fits[1].weights)) and fits[0].history[-1].judged == fits[1].history[-1].judged
    assert not same(dict(fits[0].weights), dict(fits[2].weights))


def test_the_best_epoch_is_that_of_rounded_strengths_on_the_same_specimens() -> None:
    fit = kc.train(CELLS, blobs(), **QUICK)
    assert fit.best is not None
    np.testing.assert_array_equal(fit.weights["run.free.k"], np.round(fit.weights["run.free.k"]))
    data = make_data("arrays", Samples(*blobs()), labels=True, validation=0.1, test=0.2, seed=0)
    objective = Objective(fit.recipe, make_encoding(data, fit.recipe))
    lot = make_lot(fit.circuit)
    specimens = [lot.specimen(lot.normals((0, 4, number))) for number in range(2)]
    found = [judge(make_module(one, fit.recipe), one, objective, data.validation)[0] for one in specimens]
    assert found[0] != found[1] and np.mean(found) == pytest.approx(fit.best.validation_loss, rel=1e-5)
    equal = kc.train(CELLS, blobs(), **(QUICK | {"specimens": 0}))
    assert equal.best is not None
    wanted = judge(make_module(equal.circuit, fit.recipe), equal.circuit, objective, data.validation)[0]
    assert equal.best.validation_loss == pytest.approx(wanted, rel=1e-5)


def test_noise_moves_starting_voltages(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    forward = CircuitModule.forward

    def spy(module: CircuitModule, volts: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            seen.append(volts)
        return forward(module, volts)

    monkeypatch.setattr(CircuitModule, "forward", spy)
    batches = []
    for noise in (0.0, 0.01):
        seen.clear()
        kc.train(NET, blobs(), epochs=2, noise=noise)
        batches.append(torch.cat(seen))
    apart = (batches[1] - batches[0]).numpy()
    assert apart.std() == pytest.approx(0.01, rel=0.1) and abs(apart.mean()) < 2e-3
    half = len(apart) // 2
    assert not np.allclose(apart[:half], apart[half:]), "every epoch draws its own"


def test_what_has_no_cells_has_no_specimens(tmp_path: Path) -> None:
    with pytest.raises(kc.UsageError, match="KC0726"):
        kc.train(NET, blobs(), out=tmp_path / "run", mismatch=1.0)
    assert not (tmp_path / "run").exists()
    assert kc.train(NET, blobs(), epochs=1, specimens=3).status == "finished"
