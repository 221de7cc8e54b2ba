"""The examples that are trained: the values beside a program are good, and its recipe finds such values."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import torch

import kcompile as kc
from kcompile.train.data import check_fit, make_data, read_samples
from kcompile.train.judge import make_module
from kcompile.train.recipe import Recipe, read_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = {"two_moons": "moons", "mnist": "mnist.npz", "mnist_long": "mnist.npz"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_fit_their_program_and_data(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mnist.npz", x=np.zeros((20, 28, 28), np.uint8), y=np.arange(20) % 10)  # the form of a set that is not here
    recipe, name = read_recipe(path), DATA.get(path.stem, path.stem)
    program = path.with_stem(path.stem.removesuffix("_long")).with_suffix(".kc")
    circuit = kc.compile(program)
    data = make_data(name, read_samples(name), labels=recipe.labels, validation=0.1, test=0.2, seed=0)
    check_fit(data, len(circuit.inputs), len(circuit.outputs), recipe.readout == "differential")
    assert f"kcompile train {program.name} --data {name} --recipe {path.name}" in path.read_text()
    assert set(tomllib.loads(path.read_text())) <= set(vars(recipe))


def test_two_moons_are_told_apart() -> None:
    """98 % of points that the training did not see, in another draw of the set, with clamps and fine steps."""
    from sklearn.datasets import make_moons

    x, y = make_moons(500, noise=0.1, random_state=7)
    circuit = kc.compile(EXAMPLES / "two_moons.kc", weights=EXAMPLES / "two_moons.safetensors")
    module = make_module(circuit, Recipe(steps=60, rail="clamp"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # two threads on small tensors and a busy machine mostly wait for each other
    outputs = module(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    torch.set_num_threads(before)
    assert np.mean(outputs.argmax(axis=1) == y) >= 0.98
    read = [kc.simulate(circuit.with_initial(point), points=2).read_out for point in x[:5]]
    np.testing.assert_allclose(outputs[:5], read, atol=1e-3)


def test_a_recipe_finds_the_irises() -> None:
    fit = kc.train(EXAMPLES / "iris.kc", "iris", EXAMPLES / "iris.toml", epochs=15)
    assert fit.report is not None and fit.report.trained.parts["train"][1] >= 0.94
