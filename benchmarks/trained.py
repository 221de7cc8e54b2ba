"""The trained examples: each recipe in examples/ with its program, its data, and its weights of the same name.

    KCOMPILE_DATA=FOLDER python -m benchmarks.trained [NAME ...]       # trains these again; without names all, `make weights`

The first line of a recipe is the command that trains it. The weights are those that this command gives, with their figures in
the table of docs/training.md. Data that do not come with scikit-learn lie in the folder that KCOMPILE_DATA names.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import kcompile as kc
from benchmarks.imported import DATA, ROOT
from kcompile.files import write_files
from kcompile.train.clamp import steps_for_clamps
from kcompile.train.data import Data, make_data, read_samples
from kcompile.train.encoding import make_encoding
from kcompile.train.recipe import Recipe, read_recipe
from kcompile.train.report import format_figure

PAGE = ROOT / "docs" / "training.md"
_COMMAND = re.compile(r"# (kcompile train [^\n]*)\n")
_ROW = r"^\| \[{}\].*$"


@dataclass(frozen=True)
class Example:
    """A recipe with what its command names."""

    recipe: Path
    program: Path
    data: str

    @property
    def name(self) -> str:
        return self.recipe.stem

    @property
    def weights(self) -> Path:
        return self.recipe.with_suffix(".safetensors")

    @property
    def available(self) -> bool:
        """Whether its data are on this machine."""
        return "/" not in self.data or Path(self.data).is_file()

    def samples(self, recipe: Recipe) -> Data:
        """Its data in the parts of the training."""
        return make_data(self.data, read_samples(self.data, recipe.target), labels=recipe.labels, validation=recipe.validation,
                         test=recipe.test, seed=recipe.split_seed)

    def figure(self) -> tuple[str, float]:
        """(`accuracy` or `rms_error`, figure of the test part) of the weights, with clamps and steps that follow them."""
        from kcompile.train.judge import judge, make_module
        from kcompile.train.objective import Objective

        recipe = read_recipe(self.recipe)
        circuit, data = kc.compile(self.program, weights=self.weights), self.samples(recipe)
        fine = replace(recipe, rail="clamp", steps=max(recipe.steps, steps_for_clamps(circuit, recipe)))
        objective = Objective(recipe, make_encoding(data, recipe))
        _, score = judge(make_module(circuit, fine), circuit, objective, data.test)
        assert score is not None
        return objective.figure, score

    def row(self) -> str:
        """Its row in the documents."""
        return (f"| [{self.name}](../examples/{self.recipe.name}) | [{self.program.name}](../examples/{self.program.name}) "
                f"| `{Path(self.data).name}` | {format_figure(*self.figure())} |")


def read_example(recipe: Path) -> Example:
    """The example of a recipe; KCOMPILE_DATA in its command is the folder of the data."""
    command = _COMMAND.match(recipe.read_text(encoding="utf-8"))
    assert command, f"{recipe.name} does not begin with its command"
    words = shlex.split(command[1].replace("$KCOMPILE_DATA", str(DATA)))
    program, data, named = words[2], words[words.index("--data") + 1], words[words.index("--recipe") + 1]
    assert named == recipe.name
    beside = recipe.parent / data
    return Example(recipe, recipe.parent / program, str(beside) if beside.is_file() else data)


EXAMPLES = tuple(read_example(path) for path in sorted((ROOT / "examples").glob("*.toml"))
                 if path.with_suffix(".safetensors").is_file())


def main(names: Sequence[str]) -> None:
    """Train examples, those whose data are here, and write weights and figures."""
    for example in [read_example(ROOT / "examples" / f"{name}.toml") for name in names] or EXAMPLES:
        if not example.available:
            print(f"{example.name}: left as it is, there is no {example.data}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            fit = kc.train(example.program, example.data, example.recipe, out=folder)
            weights = (Path(folder) / "best.safetensors").read_bytes()
        write_files(example.weights.parent, {example.weights.name: weights})
        row = example.row()
        page, found = re.subn(_ROW.format(example.name), row, PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert found == 1, f"{PAGE.name} has no row of {example.name}"
        write_files(PAGE.parent, {PAGE.name: page})
        print(f"{row} {fit.history[-1].seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
