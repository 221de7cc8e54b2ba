"""examples/mnist.kc, the published MNIST network with a rail of +-4 V at every node, trained from nothing.

    KCOMPILE_DATA=FOLDER python -m benchmarks.rails [--runs FOLDER]

Trainings are `kcompile train` with the recipes of examples/, each in a folder of its own. What was interrupted goes on, and
what is finished is judged again: remove the folders to train anew. A training has as many epochs as fit into its minutes, by
the time that one takes. The best epoch of a training is that of the smallest loss on images held out of the training images; test
images are looked at once, at the end. `benchmarks.rails_long` is a single training of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch

import kcompile as kc
from benchmarks.imported import DATA
from benchmarks.row import Row, table
from kcompile.train.checkpoint import has_checkpoint
from kcompile.train.clamp import steps_for_clamps
from kcompile.train.data import Data, make_data, read_samples
from kcompile.train.encoding import make_encoding
from kcompile.train.fit import fit
from kcompile.train.history import Record
from kcompile.train.judge import chunks, make_module
from kcompile.train.objective import Objective
from kcompile.train.recipe import RUN_RECIPE, read_recipe
from kcompile.train.run_folder import BEST, REPORT

ROOT = Path(__file__).parents[1]
MODEL, SHORT, RECIPE, LONG = (ROOT / "examples" / name for name in ("mnist.kc", "mnist_short.toml", "mnist.toml",
                                                                    "mnist_long.toml"))
RUNS = ROOT / "out" / "rails"
IMAGES = DATA / "mnist.npz"
SEEDS = (0, 1, 2)
RAIL, HIGHEST = 4.0, 1.2
APART = 0.2
"""Points that other steps, or clamps, may make of a difference."""
PUBLISHED = 99.42


@dataclass(frozen=True)
class Budget:
    """Minutes that trainings may take on some cores, and the accuracy in per cent that all must reach."""

    recipe: Path
    cores: int
    minutes: float
    wanted: float


BUDGETS = (Budget(SHORT, cores=1, minutes=10, wanted=98.9), Budget(RECIPE, cores=2, minutes=15, wanted=99.2))
FILLED = 0.72
"""Part of the minutes that epochs are to fill: the speed of a shared machine varies by a fifth and more."""


@dataclass(frozen=True)
class Found:
    """Seconds of training; per cent of the test images as trained, at 20 steps, and with clamps, whose steps are the fewest
    that follow them; the highest voltage of any node there."""

    seconds: float
    trained: float
    fine: float
    clamped: float
    peak: float


def rows(runs: Path = RUNS) -> Iterator[Row]:
    """Rows of docs/figures.md; takes as long as the budgets, for each seed, and some minutes more."""
    if not IMAGES.is_file():
        yield Row("mnist.kc, rail +-4 V, trained", "", "not measured: no data")
        return
    # All trainings come before any judging, so that these have a quiet machine.
    trained = [(budget, *_folders(runs, budget)) for budget in BUDGETS]
    every = []
    for budget, epochs, folders in trained:
        found = [_found(folder) for folder in folders]
        every += found
        yield _trained(budget, epochs, found)
    yield from _fidelity(every)


def _folders(runs: Path, budget: Budget) -> tuple[int, list[Path]]:
    """(epochs, folders) of the trainings of a budget."""
    first = runs / f"{budget.cores}-{SEEDS[0]}" / RUN_RECIPE
    epochs = read_recipe(first).epochs if first.is_file() else _epochs(budget)
    return epochs, [_train(runs / f"{budget.cores}-{seed}", budget.recipe, budget.cores, f"--epochs={epochs}", f"--seed={seed}")
                    for seed in SEEDS]


def long(runs: Path = RUNS) -> Iterator[Row]:
    """Rows of one long training, whose curves.svg is in its folder."""
    folder = _train(runs / "long", LONG, read_recipe(LONG).resolved().threads)
    one = _found(folder)
    epochs = read_recipe(folder / RUN_RECIPE).epochs
    yield Row(f"mnist.kc, rail +-4 V, {epochs} epochs: accuracy of all test images at 20 steps", f"> {PUBLISHED} %",
              f"{one.fine:.2f} % after {one.seconds / 3600:.1f} h", one.fine > PUBLISHED)
    yield from _fidelity([one])


def _train(folder: Path, recipe: Path, cores: int, *words: str) -> Path:
    """Train in a folder, from its checkpoint if it has one and not at all if it has a report; raises `CalledProcessError` where
    that fails."""
    if (folder / REPORT).is_file():
        return folder
    again = ["--resume"] if has_checkpoint(folder) else []
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    command = [sys.executable, "-m", "kcompile", "train", MODEL, "--data", IMAGES, "--recipe", recipe, "-o", folder]
    subprocess.run(["taskset", "--cpu-list", allowed, *command, "--with", f"threads={cores}", *words, *again], check=True,
                   stdout=sys.stderr)
    return folder


class _Two:
    """A watch that ends a training after two epochs, so that no report is made."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def note(self, text: str) -> None:
        pass

    def step(self, done: int, total: int, loss: float, rate: float) -> bool:
        return len(self.records) == 2

    def over(self) -> None:
        pass

    def epoch(self, record: Record) -> None:
        self.records.append(record)


def _epochs(budget: Budget) -> int:
    """Epochs of a training, by the seconds of a coarse one and one with all steps, in a process that has these cores from its
    first thread on."""
    cores, share = sorted(os.sched_getaffinity(0))[: budget.cores], read_recipe(budget.recipe).coarse
    with ProcessPoolExecutor(1, get_context("spawn"), os.sched_setaffinity, (0, cores)) as process:
        first, both = process.submit(_two_epochs, budget).result()
    return int(FILLED * 60 * budget.minutes / (share * first + (1 - share) * (both - first) if share else both / 2))


def _two_epochs(budget: Budget) -> tuple[float, float]:
    """Seconds after one epoch, a coarse one where the recipe has such, and after another."""
    recipe, watch = read_recipe(budget.recipe), _Two()
    fit(kc.compile(MODEL), _images(recipe.validation), replace(recipe, epochs=3, coarse=0.3, threads=budget.cores), watch=watch)
    first, both = (record.seconds for record in watch.records)
    return first, both


def _images(validation: float) -> Data:
    return make_data("mnist", read_samples(str(IMAGES)), labels=True, validation=validation, test=0.0, seed=0)


def _found(folder: Path) -> Found:
    """What the best weights of a training do with all test images."""
    report = json.loads((folder / REPORT).read_text())
    trained, fine = (100 * part["test"]["accuracy"] for part in report["parts"][:2])
    circuit = kc.compile(MODEL, weights=folder / BEST)
    recipe = read_recipe(folder / RUN_RECIPE)
    data = _images(0.0)
    objective = Objective(recipe, make_encoding(data, recipe))
    module = make_module(circuit, replace(recipe, rail="clamp", steps=steps_for_clamps(circuit, recipe)))
    before = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    score = peak = 0.0
    with torch.no_grad():
        for volts, targets in chunks(circuit, objective, data.test):
            whole = module.trajectory(volts)
            peak = max(peak, float(whole.abs().max()))
            score += objective.score(whole[:, -1, circuit.outputs - 1], targets)
    torch.set_num_threads(before)
    return Found(report["seconds"], trained, fine, 100 * objective.result(score, data.test.count), peak)


def _trained(budget: Budget, epochs: int, found: list[Found]) -> Row:
    accuracies, seconds = [one.fine for one in found], max(one.seconds for one in found)
    cores = f"{budget.cores} core{'s' * (budget.cores > 1)}"
    said = " / ".join(f"{accuracy:.2f}" for accuracy in accuracies)
    return Row(f"mnist.kc, rail +-4 V, {epochs} epochs on {cores}, three seeds: accuracy of all test images at 20 steps",
               f"all >= {budget.wanted} % in {budget.minutes:g} min", f"{said} %; at most {seconds:.0f} s",
               min(accuracies) >= budget.wanted and seconds <= 60 * budget.minutes)


def _fidelity(found: list[Found]) -> Iterator[Row]:
    steps, clamps = (max(abs(one.fine - other) for one, other in zip(found, others, strict=True))
                     for others in ([one.trained for one in found], [one.clamped for one in found]))
    peak = max(one.peak for one in found)
    for what, points in (("as trained", steps), ("with a clamp at every node instead of the ideal rail", clamps)):
        yield Row(f"the same networks {what}, against 20 steps", f"within {APART} points", f"at most {points:.2f} points",
                  points <= APART)
    yield Row("highest voltage of any node with clamps, all test images", f"<= {HIGHEST * RAIL:g} V", f"{peak:.2f} V",
              peak <= HIGHEST * RAIL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="where the folders of the trainings are")
    arguments = parser.parse_args()
    print(table(rows(arguments.runs)))
