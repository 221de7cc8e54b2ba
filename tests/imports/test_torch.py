"""Imported networks of PyTorch against PyTorch itself: values of stacks, and right-hand sides solved by scipy."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate

import kcompile as kc
from kcompile.imports.base import Imported
from kcompile.imports.torch_module import SETTLE
from kcompile.sim.integrate import simulate
from kcompile.syntax.format_source import format_source

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn

GOLDEN = Path(__file__).parent.parent / "golden" / "imports"
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def seeded(*layers: Any) -> Any:
    """Sequential of layers, with values that are large enough to bend the activations."""
    module = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(len(layers))
    with torch.no_grad():
        for values in module.parameters():
            values.copy_(torch.randn(values.shape, generator=generator))
    return module


class Rhs(nn.Module):
    """f(t, x), as solvers of neural ODEs call it."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, t: Any, x: Any) -> Any:
        return self.net(x)


class Cubed(Rhs):
    def forward(self, t: Any, x: Any) -> Any:
        return self.net(x**3)


class Timed(Rhs):
    def forward(self, t: Any, x: Any) -> Any:
        return self.net(x) * (1 + t)


class Rows(nn.Module):
    """Layers that are attributes, used in their order, and one that is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bend, self.second = nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.second(self.bend(self.first(x)))


class Functional(Rows):
    def forward(self, x: Any) -> Any:
        return self.second(torch.relu(self.first(x)))


class Failing(Rows):
    def forward(self, x: Any) -> Any:
        raise RuntimeError("no\nmore")


STACKS = {
    "one_layer": lambda: seeded(nn.Linear(3, 2)),
    "no_bias": lambda: seeded(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 2, bias=False)),
    "tanh": lambda: seeded(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)),
    "relu": lambda: seeded(nn.Linear(2, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)),
    "leaky": lambda: seeded(nn.Linear(2, 5), nn.LeakyReLU(0.2), nn.Linear(5, 3)),
    "leaky_negative": lambda: seeded(nn.Linear(2, 5), nn.LeakyReLU(-1.5), nn.Linear(5, 3)),
    "sigmoid": lambda: seeded(nn.Linear(2, 5), nn.Sigmoid(), nn.Linear(5, 3)),
    "softplus": lambda: seeded(nn.Linear(2, 5), nn.Softplus(), nn.Linear(5, 3)),
    "softplus_steep": lambda: seeded(nn.Linear(2, 5), nn.Softplus(2.5, 30), nn.Linear(5, 3)),
    "last": lambda: seeded(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3), nn.Sigmoid()),
    "first": lambda: seeded(nn.ReLU(), nn.Linear(2, 3)),
    "in_a_row": lambda: seeded(nn.Linear(2, 3), nn.Tanh(), nn.LeakyReLU(0.5), nn.Softplus(3.0), nn.Linear(3, 2), nn.Sigmoid(),
                               nn.Tanh()),
    "linear_in_a_row": lambda: seeded(nn.Linear(2, 6), nn.Identity(), nn.Linear(6, 3, bias=False), nn.Linear(3, 4)),
    "nested": lambda: seeded(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Identity())),
                             nn.Sequential(nn.Linear(3, 2))),
    "deep": lambda: seeded(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Softplus(),
                           nn.Linear(4, 1)),
    "same_name": lambda: seeded(nn.Linear(2, 3), nn.LeakyReLU(0.1), nn.Linear(3, 3), nn.LeakyReLU(0.7), nn.Linear(3, 3),
                                nn.LeakyReLU(0.1), nn.Linear(3, 3), nn.LeakyReLU(0.4)),
    "own_class": Rows,
    "one_linear": lambda: nn.Linear(2, 2),
}

RIGHT_HAND_SIDES = {
    "linear": lambda: seeded(nn.Linear(2, 2)),
    "activation_first": lambda: seeded(nn.Tanh(), nn.Linear(3, 3)),
    "activation_last": lambda: seeded(nn.Linear(2, 2), nn.Tanh()),
    "hidden": lambda: seeded(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)),
    "hidden_without_bias": lambda: seeded(nn.Linear(3, 5, bias=False), nn.Sigmoid(), nn.Linear(5, 3, bias=False)),
    "one_state": lambda: seeded(nn.Linear(1, 5, bias=False), nn.Softplus(2.0), nn.Linear(5, 1)),
    "activations_everywhere": lambda: seeded(nn.Tanh(), nn.Linear(2, 4), nn.Softplus(), nn.Linear(4, 2)),
    "many_states": lambda: seeded(nn.Linear(9, 3), nn.Tanh(), nn.Linear(3, 9)),
    "own_class": lambda: Rhs(seeded(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))),
}


def deep() -> Any:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 5), nn.LeakyReLU(0.3), nn.Linear(5, 2))


def compiled(imported: Imported, inputs: np.ndarray | list[float]) -> kc.Circuit:
    assert format_source(kc.Source("net.kc", imported.text)) == imported.text, "it is in the standard layout"
    circuit = kc.compile(kc.Source("net.kc", imported.text), weights=imported.weights)
    assert circuit.name == imported.name
    assert set(circuit.trainable()) == set(imported.weights), "every trainable parameter is given"
    return circuit.with_initial(inputs)


def of_torch(module: Any, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        given = torch.from_numpy(np.asarray(x, dtype=np.float64))
        double = module.double()
        return (double(torch.tensor(0.0), given) if isinstance(module, Rhs) else double(given)).numpy()


def solved(module: Any, start: np.ndarray, until: float) -> np.ndarray:
    """float64[51, states] at equal distances."""
    return scipy.integrate.solve_ivp(lambda _, x: of_torch(module, x), (0, until), start, "DOP853", np.linspace(0, until, 51),
                                     rtol=1e-10, atol=1e-12).y.T


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_is_exact(name: str) -> None:
    module = STACKS[name]()
    imported = kc.import_torch(module)
    rng = np.random.default_rng(2)
    for scale in (0.0, 0.5, 3.0):
        size = next(values for values in module.parameters() if values.ndim == 2).shape[1]
        x = scale * rng.normal(size=size)
        found = kc.simulate(compiled(imported, x), points=2).read_out
        np.testing.assert_allclose(found, of_torch(module, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", RIGHT_HAND_SIDES)
def test_a_right_hand_side_with_one_hidden_layer_is_exact(name: str) -> None:
    module = RIGHT_HAND_SIDES[name]()
    imported = kc.import_torch(module, ode=0.7)
    assert imported.notes == ()
    size = next(values for values in module.parameters() if values.ndim == 2).shape[1]
    start = np.random.default_rng(4).normal(size=size)
    found = kc.simulate(compiled(imported, start), points=2, rtol=1e-10).read_out
    exact = solved(module, start, 0.7)[-1]
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-8)
    assert np.abs(exact - start).max() > 0.1, "something moves"


def test_a_deep_right_hand_side_errs_in_proportion_to_tau_and_says_so() -> None:
    module = deep()
    starts = np.random.default_rng(0).normal(size=(4, 2))  # those that the note is measured from
    truth = [solved(module, start, 1.0) for start in starts]
    errors: list[float] = []
    for tau in (0.02, 0.01, 0.005):
        imported = kc.import_torch(module, ode=1.0, tau=tau)
        times = SETTLE * tau + np.linspace(0, 1, 51)
        found = [simulate(compiled(imported, start), times=times).values[:, :2] for start in starts]
        errors.append(max(float(np.abs(one - exact).max() / np.ptp(exact)) for one, exact in zip(found, truth, strict=True)))
        said = float(imported.notes[0].split(": ")[1].split()[0])
        assert said == pytest.approx(errors[-1], rel=0.06), "two digits are said"
    assert errors[0] < 0.02
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 2.0, rtol=0.1)


def test_tau_may_be_chosen_for_one_hidden_layer_and_changed_later() -> None:
    module = RIGHT_HAND_SIDES["hidden"]()
    imported = kc.import_torch(module, ode=0.5, tau=1e-3)
    source = kc.Source("net.kc", imported.text)
    start = [0.3, -0.2]
    exact = solved(module, np.array(start), 0.5)[-1]
    errors = [float(np.abs(kc.simulate(kc.compile(source, weights=imported.weights, inputs=start, settings={"tau": tau}),
                                       points=2).read_out - exact).max()) for tau in ("1 ms", "0.25 ms")]
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_what_is_too_large_to_measure_says_so() -> None:
    (note,) = kc.import_torch(nn.Sequential(nn.Linear(2, 600), nn.Tanh(), nn.Linear(600, 2)), ode=1.0, tau=0.1).notes
    assert "not measured for more than 512" in note
    growing = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    with torch.no_grad():
        for values in growing.parameters():
            values.fill_(1.0)
    (note,) = kc.import_torch(growing, ode=1e4, tau=0.1).notes
    assert "grow without bound" in note


@needs_ngspice
def test_ngspice_confirms_the_three_constructions() -> None:
    for module, options in ((STACKS["last"](), {}), (RIGHT_HAND_SIDES["hidden"](), {"ode": 0.7}),
                            (deep(), {"ode": 0.5, "tau": 0.02})):
        assert kc.verify(compiled(kc.import_torch(module, **options), [0.5, -1.0]), tolerance=1e-4).passed


@pytest.mark.parametrize("name", ["stack", "neurons", "relaxing"])
def test_golden(name: str) -> None:
    module, options = {"stack": (STACKS["last"](), {}), "neurons": (RIGHT_HAND_SIDES["many_states"](), {"ode": 2.0}),
                       "relaxing": (deep(), {"ode": 1.5, "tau": 1e-3})}[name]
    text = kc.import_torch(module, name=name, **options).text
    path = GOLDEN / f"torch_{name}.kc"
    if os.environ.get("KCOMPILE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; make golden rewrites it"


def test_the_module_is_not_changed() -> None:
    module = Rhs(seeded(nn.Linear(2, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))).train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    kc.import_torch(module, ode=1.0)
    assert module.training
    assert all(value.dtype == torch.float32 and torch.equal(value, before[key]) for key, value in module.state_dict().items())


# ---- what is refused ----------------------------------------------------------------------------------------------------


def with_value(module: Any, value: float) -> Any:
    with torch.no_grad():
        next(module.parameters())[0, 0] = value
    return module


REFUSED: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "layer": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.GELU())), {}, "KC0525",
              "the layer `1.1` is a GELU"),
    "layer_itself": (lambda: nn.LSTM(2, 3), {}, "KC0525", "the network itself is a LSTM"),
    "no_children": (lambda: nn.Module(), {}, "KC0525", "is a Module"),
    "dropout": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Dropout()), {}, "KC0525", "Dropout"),
    "no_linear": (lambda: nn.Sequential(nn.Tanh()), {}, "KC0525", "no Linear layer"),
    "empty": (lambda: nn.Sequential(), {}, "KC0525", "no Linear layer"),
    "softplus": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Softplus(1.0, 2.0)), {}, "KC0525", "threshold = 2"),
    "softplus_negative": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Softplus(-1.0)), {}, "KC0525", "beta = -1"),
    "slope": (lambda: nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(float("nan"))), {}, "KC0525", "is nan, not a number"),
    "nan": (lambda: with_value(nn.Linear(2, 3), float("nan")), {}, "KC0525", "not finite"),
    "complex": (lambda: nn.Linear(2, 3, dtype=torch.complex64), {}, "KC0525", "torch.complex64"),
    "meta": (lambda: nn.Linear(2, 3, device="meta"), {}, "KC0525", "holds"),
    "too_wide": (lambda: nn.Linear(20_000, 1), {}, "KC0525", "20000"),
    "no_module": (lambda: 7, {}, "KC0526", "not a int"),
    "a_function": (lambda: torch.tanh, {}, "KC0526", "torch.nn.Module is expected"),
    "sizes": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 2)), {}, "KC0527", "has 4 inputs, the one before it 3"),
    "sizes_apart": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(4, 2)), {}, "KC0527", "has 4 inputs"),
    "cubed": (lambda: Cubed(seeded(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))), {}, "KC0527", "`Cubed` does not apply"),
    "timed": (lambda: Timed(seeded(nn.Linear(2, 2))), {}, "KC0527", "`Timed` does not apply"),
    "functional": (Functional, {}, "KC0527", "`Functional` does not apply"),
    "failing": (Failing, {}, "KC0527", "fails with RuntimeError: no"),
    "not_square": (lambda: nn.Linear(2, 3), {"ode": 1.0}, "KC0527", "3 and 2"),
    "deep": (deep, {"ode": 1.0}, "KC0527", "2 hidden layers and 2 states"),
    "many_states": (lambda: nn.Sequential(nn.Linear(65, 2), nn.Tanh(), nn.Linear(2, 65)), {"ode": 1.0}, "KC0527", "65 states"),
    "tau_alone": (lambda: nn.Linear(2, 2), {"tau": 1.0}, "KC0527", "tau belongs to"),
    "tau_of_nothing": (lambda: nn.Linear(2, 2), {"tau": 1.0, "ode": 1.0}, "KC0527", "no hidden layer"),
    "time": (lambda: nn.Linear(2, 2), {"ode": 0.0}, "KC0503", "positive"),
    "time_infinite": (lambda: nn.Linear(2, 2), {"ode": float("inf")}, "KC0503", "positive"),
    "tau_negative": (deep, {"ode": 1.0, "tau": -1.0}, "KC0503", "positive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_circuit_is_refused(name: str) -> None:
    make, options, code, words = REFUSED[name]
    with warnings.catch_warnings(action="ignore"):
        module = make()
    with pytest.raises(kc.KcompileError) as error:
        kc.import_torch(module, **options)
    (found,) = error.value.diagnostics
    assert (found.code, words in found.message) == (code, True), found


def test_a_parametrized_layer_is_refused() -> None:
    """Its class is another, because its weight is computed."""
    with pytest.raises(kc.CompileError, match="ParametrizedLinear"):
        kc.import_torch(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
