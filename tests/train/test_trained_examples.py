"""The examples that are trained: the values beside a recipe are as good as the documents say, and a recipe finds such values."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import torch

import kcompile as kc
from benchmarks.trained import EXAMPLES, PAGE, Example, read_example
from kcompile.train.data import check_fit
from kcompile.train.judge import make_module
from kcompile.train.recipe import Recipe, read_recipe

FOLDER = Path(__file__).parents[2] / "examples"
MAX_BYTES = 200_000
each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)


def need_data(example: Example) -> None:
    if not example.available:
        pytest.skip(f"there is no {example.data}; KCOMPILE_DATA names its folder")


def stated(example: Example) -> str:
    """The last cell of the row of the documents."""
    found = re.search(rf"^\| \[{example.name}\].*\| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found, f"{PAGE.name} has no row of {example.name}"
    return found[1]


@each
def test_recipes_fit_their_program_and_data(example: Example) -> None:
    recipe = read_recipe(example.recipe)
    assert "seed" in tomllib.loads(example.recipe.read_text()), "a recipe names the seed of the weights"
    need_data(example)
    circuit = kc.compile(example.program)
    check_fit(example.samples(recipe), len(circuit.inputs), len(circuit.outputs), recipe.readout == "differential")


@pytest.mark.parametrize("name", ["mnist", "mnist_long", "mnist_short"])
def test_recipes_of_large_networks_fit_their_program(name: str, tmp_path: Path) -> None:
    """Their values are megabytes, so that none are kept, and the images are not part of the project."""
    np.savez(tmp_path / "mnist.npz", x=np.zeros((20, 28, 28), np.uint8), y=np.arange(20) % 10)
    example = read_example(FOLDER / f"{name}.toml")
    recipe, circuit = read_recipe(example.recipe), kc.compile(example.program)
    data = replace(example, data=str(tmp_path / "mnist.npz")).samples(recipe)
    check_fit(data, len(circuit.inputs), len(circuit.outputs), recipe.readout == "differential")


@each
def test_weights_are_small_and_whole(example: Example) -> None:
    """Every trainable parameter is in the file, and nothing else."""
    from safetensors.numpy import load_file

    assert example.weights.stat().st_size < MAX_BYTES
    held, circuit = load_file(example.weights), kc.compile(example.program)
    assert {name: value.shape for name, value in held.items()} == {name: circuit.parameters()[name].shape
                                                                   for name in circuit.trainable()}
    assert kc.compile(example.program, weights=example.weights).parameters().keys() == circuit.parameters().keys()


@each
def test_weights_are_as_good_as_the_documents_say(example: Example) -> None:
    need_data(example)
    kind, figure = one_thread(example.figure)
    words = re.match(r"(accuracy|rms error) ([0-9.]+)", stated(example))
    assert words and words[1] == kind.replace("_", " ")
    if kind == "accuracy":
        assert 100 * figure >= float(words[2]) - 0.005
    else:
        assert figure <= float(words[2]) * 1.001


def one_thread(function):
    """Its result with one thread of torch: two on small tensors and a busy machine mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return function()
    finally:
        torch.set_num_threads(before)


def test_two_moons_are_told_apart() -> None:
    """98 % of points that the training did not see, in another draw of the set, with clamps and fine steps."""
    from sklearn.datasets import make_moons

    x, y = make_moons(500, noise=0.1, random_state=7)
    circuit = kc.compile(FOLDER / "two_moons.kc", weights=FOLDER / "two_moons.safetensors")
    module = make_module(circuit, Recipe(steps=60, rail="clamp"))
    outputs = one_thread(lambda: module(torch.tensor(x, dtype=torch.float32)).detach().numpy())
    assert np.mean(outputs.argmax(axis=1) == y) >= 0.98
    read = [kc.simulate(circuit.with_initial(point), points=2).read_out for point in x[:5]]
    np.testing.assert_allclose(outputs[:5], read, atol=1e-3)


def test_a_recipe_finds_the_irises() -> None:
    fit = kc.train(FOLDER / "iris.kc", "iris", FOLDER / "iris.toml", epochs=15)
    assert fit.report is not None and fit.report.trained.parts["train"][1] >= 0.94


def test_training_on_specimens_gains_back_half_of_what_mismatch_costs() -> None:
    from benchmarks.silicon import recovered

    equal, plain, trained = one_thread(lambda: recovered(points=200, specimens=100))
    assert trained.mean() - plain.mean() >= 0.5 * (equal - plain.mean()) > 0.005
