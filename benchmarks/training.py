"""Trainings: interrupted ones, the examples with their recipes, and a trained circuit in ngspice.

    python -m benchmarks.training
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import kcompile as kc
from benchmarks.imported import ROOT
from benchmarks.interrupted import Trainings, computing, trainings
from benchmarks.row import Row, table
from benchmarks.torchrun import apart, measure
from benchmarks.trained import EXAMPLES, Example, read_example
from kcompile.train.fit import Fit
from kcompile.train.recipe import read_recipe
from kcompile.train.team import Team

KILLS = 10
SEEDS = 5
"""Trainings of each example; the worst decides. Recipes are chosen by the loss of the validation part, never by the test part."""

WANTED = {"two_moons": 0.98, "digits": 0.97}
"""Accuracy of the test part by example."""
TIME = 120.0


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes some minutes."""
    with tempfile.TemporaryDirectory() as folder, trainings(Path(folder)) as runner:
        yield _kills(runner, Path(folder))
    yield from _together()
    for example in EXAMPLES:
        yield _trained(example)
    yield _in_ngspice(read_example(ROOT / "examples" / "digits.toml"))


def _kills(runner: Trainings, folder: Path) -> Row:
    runner.train(folder / "whole")
    expected = (folder / "whole" / "last.safetensors").read_bytes()
    rng, same = random.Random(), 0
    for k in range(KILLS):
        run = folder / str(k)
        code, _ = runner.train(run, number=signal.SIGKILL, seconds=rng.uniform(0.0, 0.7 * computing(folder / "whole")))
        assert code == -signal.SIGKILL
        same += runner.train(run, "--resume")[0] == 0 and (run / "last.safetensors").read_bytes() == expected
    return Row("kill -9 at a random instant of a training, then `--resume`: the same bits", f"{KILLS} of {KILLS}",
               f"{same} of {KILLS}", same == KILLS)


def _together() -> Iterator[Row]:
    for dtype in ("float32", "float64"):
        changes = {"dtype": dtype}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "found"
            subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m",
                            "benchmarks.torchrun", str(file), json.dumps(changes)], check=True, capture_output=True)
            differences = apart(json.loads(file.with_suffix(".0").read_text()), measure(changes, Team()))
        largest = max(differences["batch"], differences["sample"])
        yield Row(f"torchrun with 2 processes, {dtype}: gradients of batches of 17 and of 1 against one process, in the norm",
                  "< 1e-6", f"{largest:.1e}; weights after an epoch {differences['weights']:.1e}", largest < 1e-6)


def _trained(example: Example) -> Row:
    drawn = " with mismatch drawn" * bool(read_recipe(example.recipe).mismatch)
    what, wanted = f"{example.program.name} on {Path(example.data).stem}{drawn}", WANTED.get(example.name)
    if not example.available:
        return Row(what, "", "not measured: no data")
    fits = [kc.train(example.program, example.data, example.recipe, seed=seed) for seed in range(SEEDS)]
    return _row(what, wanted, fits)


def _row(name: str, wanted: float | None, fits: list[Fit]) -> Row:
    reports = [fit.report for fit in fits if fit.report is not None]
    values = np.array([[one.parts["test"][1] for one in report.figures] for report in reports])
    is_accuracy = reports[0].figure == "accuracy"
    worst = values.min() if is_accuracy else values.max()
    middle = np.median(values, axis=0)
    found = " / ".join(f"{100 * value:.2f} %" if is_accuracy else f"{value:.3g}" for value in middle)
    seconds = max(fit.history[-1].seconds for fit in fits)
    railed = reports[0].clamped_peaks is not None
    peak = max(float((report.peaks if report.clamped_peaks is None else report.clamped_peaks).max()) for report in reports)
    what = "accuracy" if is_accuracy else "rms error"
    least = f"{100 * worst:.2f} %" if is_accuracy else f"{worst:.3g}"
    return Row(f"{name}: {what} of the test part as trained / at 20 steps{' / with clamps' * railed}, {SEEDS} seeds",
               "" if wanted is None else f"worst >= {100 * wanted:g} % in {TIME:g} s",
               f"median {found}, worst {least}; at most {seconds:.0f} s; voltages to {peak:.2f} V",
               None if wanted is None else bool(worst >= wanted) and seconds < TIME)


def _in_ngspice(digits: Example) -> Row:
    image = digits.samples(read_recipe(digits.recipe)).test.inputs[0]
    report = kc.verify(kc.compile(digits.program, weights=digits.weights, inputs=image), tolerance=1e-4)
    return Row("digits.kc with its trained values on one image of the test part, native against ngspice", "< 0.0001",
               f"{report.attempts[-1].worst:.1e} of full scale", report.passed)


if __name__ == "__main__":
    print(table(rows()))
