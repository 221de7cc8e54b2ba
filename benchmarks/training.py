"""Trainings: interrupted ones, the examples with their recipes, and a trained circuit in ngspice.

    python -m benchmarks.training
"""

from __future__ import annotations

import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import kcompile as kc
from benchmarks.interrupted import Trainings, computing, trainings
from benchmarks.row import Row, table
from kcompile.train.data import make_data, read_samples
from kcompile.train.fit import Fit

EXAMPLES = Path(__file__).parents[1] / "examples"
KILLS = 10
TRAINED = (("two_moons", "moons", 0.98), ("two_moons", "circles", None), ("iris", "iris", None), ("friedman1", "friedman1", None),
           ("digits", "digits", 0.97))
"""Program, data set, and the accuracy of the test part that is wanted."""
TIME = 120.0


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes some minutes."""
    with tempfile.TemporaryDirectory() as folder, trainings(Path(folder)) as runner:
        yield _kills(runner, Path(folder))
    fits = {}
    for program, data, wanted in TRAINED:
        fits[program, data] = fit = kc.train(EXAMPLES / f"{program}.kc", data, EXAMPLES / f"{program}.toml")
        yield _trained(program, data, wanted, fit)
    yield _in_ngspice(fits["digits", "digits"])


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


def _trained(program: str, data: str, wanted: float | None, fit: Fit) -> Row:
    assert fit.report is not None and fit.report.clamped is not None
    figures = [one.parts["test"][1] for one in fit.report.figures]
    seconds = fit.history[-1].seconds
    if fit.report.figure == "accuracy":
        found = " / ".join(f"{100 * figure:.2f} %" for figure in figures)
    else:
        found = " / ".join(f"{figure:.3g}" for figure in figures)
    figure = "accuracy" if fit.report.figure == "accuracy" else "rms error"
    peak = float(fit.report.clamped_peaks.max()) if fit.report.clamped_peaks is not None else float("nan")
    return Row(f"{program}.kc on {data}: {figure} of the test part as trained / at 20 steps / with clamps",
               "" if wanted is None else f">= {100 * wanted:g} % in {TIME:g} s",
               f"{found}; {seconds:.0f} s; voltages to {peak:.2f} V",
               None if wanted is None else min(figures) >= wanted and seconds < TIME)


def _in_ngspice(fit: Fit) -> Row:
    samples = read_samples("digits")
    data = make_data("digits", samples, labels=True, validation=0.1, test=0.2, seed=0)
    report = kc.verify(fit.circuit.with_initial(data.test.inputs[0]), tolerance=1e-4)
    return Row("trained digits.kc on one image of the test part, native against ngspice", "< 0.0001",
               f"{report.attempts[-1].worst:.1e} of full scale", report.passed)


if __name__ == "__main__":
    print(table(rows()))
