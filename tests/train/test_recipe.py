"""Recipes: what is written is read, what is wrong is told at its place, and every rate of a schedule is what it says."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from kcompile.diagnostics import KcompileError, render_text
from kcompile.train.recipe import Recipe, format_recipe, read_overrides, read_recipe, with_values


def message(function, *arguments) -> str:
    with pytest.raises(KcompileError) as caught:
        function(*arguments)
    return render_text(caught.value.diagnostics)


def test_a_recipe_reads_back(tmp_path: Path) -> None:
    recipe = with_values(Recipe(), {"rate": 1 / 3, "until": "1 us", "target": 'a "b"\n', "units": {"k": "1 uS", "mix.w.th": 0.1},
                                    "optimizer_options": {"momentum": 0.9, "betas": [0.9, 0.99], "nesterov": True}})
    (tmp_path / "a.toml").write_text(format_recipe(recipe))
    assert read_recipe(tmp_path / "a.toml") == recipe
    assert recipe.units == {"k": 1e-6, "mix.w.th": 0.1} and recipe.until == 1e-6
    assert with_values(Recipe(), tomllib.loads(format_recipe(Recipe()))) == Recipe()


def test_overrides_of_the_command_line() -> None:
    given = ["solver=heun", "rate=3e-3", "optimizer_options.betas=[0.9, 0.99]", "units.k=1 uS", "standardize=true",
             "scale=2 V^-1"]
    recipe = with_values(Recipe(units={"th": 1.0}), read_overrides(given))
    assert (recipe.solver, recipe.rate, recipe.standardize, recipe.scale) == ("heun", 3e-3, True, 2.0)
    assert recipe.units == {"th": 1.0, "k": 1e-6} and recipe.optimizer_options == {"betas": [0.9, 0.99]}
    # a line break in a value is no second key
    assert "KC0567" in message(lambda: with_values(Recipe(), read_overrides(["rate=1\nseed=3"])))
    assert "KC0567" in message(read_overrides, ["rate"])


@pytest.mark.parametrize(("text", "place", "said"), [
    ("epochs = 3\nrat = 1\n", "2:1", "KC0566]: a recipe has no key `rat`"), ("\n[unit]\nk = 1\n", "2:2", "did you mean `units`?"),
    ("rate = \n", "1:8", "KC0565]: the recipe is not TOML"), ("rate = 1\nrate = 2\n", "2:", "KC0565"),
    ("rate = 0\n", "1:1", "KC0567]: `rate` is 0, a positive number is needed"), ("rate = nan\n", "1:1", "KC0567"),
    ("steps = 2.5\n", "1:1", "a whole number from 1 to 100,000"), ("steps = true\n", "1:1", "KC0567"),
    ("seed = -1\n", "1:1", "KC0567"),
    ("loss = 'cross'\n", "1:1", "accepted: cross-entropy, mse, one-hot"), ("solver = 'rk5'\n", "1:1", "did you mean `rk4`?"),
    ("until = '3 V'\n", "1:1", "a positive number of s is needed"), ("until = 'soon'\n", "1:1", "a positive number of s"),
    ("units = 3\n", "1:1", "a table"), ("[units]\nk = '1 parsec'\n", "1:2", "not a number with a unit"),
    ("rate = '1'\n", "1:1", "KC0567"),
    ("validation = 1.5\n", "1:1", "from 0 to 0.9"), ("[optimizer_options]\na.b = 1\n", "1:2", "a table of values by name"),
    ("standardize = 1\n", "1:1", "true or false"), ("target = 3\n", "1:1", "a text")])
def test_mistakes_have_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(text)
    found = message(read_recipe, Path("a.toml"))
    assert said in found and f"--> a.toml:{place}" in found, found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("rate = -1\nepoch = 3\nloss = 'x'\n")
    assert message(read_recipe, tmp_path / "a.toml").count("error[") == 3


@pytest.mark.parametrize("text", ["[" * 100_000, "\0", 'a = "\x1b[2J"', "é = 1", "=", "rate = 1e999",
                                  "epochs = 99999999999999999999"])
def test_hostile_recipes(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    found = message(read_recipe, tmp_path / "a.toml")
    assert "KC056" in found and "\x1b" not in found
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    assert "KC0501" in message(read_recipe, tmp_path / "a.toml")


def test_the_table_of_the_documents_is_that_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    page = page[page.index("| Key |") : page.index("## In a torch loop")]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", page, re.MULTILINE)
    for (name, default, what), one in zip(rows, fields(Recipe), strict=False):
        assert (name, what) == (one.name, one.metadata["what"])
        if default not in ("none", "empty"):
            assert tomllib.loads(f"{name} = {default.strip('`')}")[name] == getattr(Recipe(), name)
    assert len([row for row in rows if row[0] in {one.name for one in fields(Recipe)}]) == len(fields(Recipe))


def test_rates() -> None:
    from kcompile.train.optimizer import learning_rate

    recipe = Recipe(epochs=10, warmup=0.2, rate=1.0)
    cosine = [learning_rate(recipe, step, 10) for step in range(100)]
    np.testing.assert_allclose(cosine[:20], np.arange(1, 21) / 20)
    np.testing.assert_allclose(cosine[20:], 0.5 + 0.5 * np.cos(np.pi * np.arange(80) / 80))
    constant = [learning_rate(with_values(recipe, {"schedule": "constant"}), step, 10) for step in (0, 19, 20, 99)]
    np.testing.assert_allclose(constant, [0.05, 1.0, 1.0, 1.0])
    step = with_values(recipe, {"schedule": "step", "warmup": 0, "decay": 0.5, "decay_epochs": 3})
    np.testing.assert_allclose([learning_rate(step, k, 10) for k in (0, 29, 30, 59, 60, 99)], [1, 1, 0.5, 0.5, 0.25, 0.125])


@pytest.mark.parametrize(("changes", "said"), [
    ({"optimizer": "Adm"}, "did you mean `Adam`?"), ({"optimizer": "LBFGS"}, "KC0567"), ({"optimizer": "Optimizer"}, "KC0567"),
    ({"optimizer_options": {"beta": [0.9, 0.99]}}, "did you mean `betas`?"),
    ({"optimizer_options": {"lr": 1.0}}, "the rate is the key `rate`"),
    ({"optimizer_options": {"betas": [2.0, 3.0]}}, "refuses its options"),
    ({"optimizer_options": {"betas": "x"}}, "refuses its options")])
def test_optimizers_that_are_none(changes: dict, said: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from kcompile.train.optimizer import make_optimizer

    assert said in message(make_optimizer, with_values(Recipe(), changes), [torch.zeros(2, requires_grad=True)])


@pytest.mark.parametrize("name", ["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam",
                                  "RMSprop", "Rprop", "SGD"])
def test_optimizers_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from kcompile.train.optimizer import make_optimizer

    weight = torch.ones(2, requires_grad=True)
    optimizer = make_optimizer(Recipe(optimizer=name), [weight])
    weight.grad = torch.ones(2)
    optimizer.step()
    assert torch.all(weight < 1.0)
