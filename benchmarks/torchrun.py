"""Gradients and weights of as many processes as start this: `torchrun -m benchmarks.torchrun FILE RECIPE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import kcompile as kc
from benchmarks.small_nets import NET
from kcompile.train.data import make_data
from kcompile.train.encoding import make_encoding
from kcompile.train.initial_values import starting_values, unit_sizes
from kcompile.train.objective import Objective
from kcompile.train.recipe import Recipe, with_values
from kcompile.train.run import Run
from kcompile.train.sources.base import Samples
from kcompile.train.team import Team, find_team

BATCH = 17
"""Odd, so that shares differ by one sample."""


def make_run(changes: dict[str, object], team: Team) -> Run:
    """A training of 50 images of two pixels: two batches of 17 and one of 16; the images move."""
    recipe = with_values(Recipe(), {"epochs": 1, "batch": BATCH, "scale": 2.0, "shift": 0.5, "rotation": 20.0, **changes})
    images = np.random.default_rng(0).normal(size=(50, 1, 1, 2))
    data = make_data("images", Samples(images, (images[:, 0, 0, 0] > 0).astype(np.int64)), labels=True, validation=0.0, test=0.0,
                     seed=0)
    circuit = kc.compile(NET)
    start = circuit.with_params(starting_values(circuit, recipe))
    return Run(start, data, recipe, Objective(recipe, make_encoding(data, recipe)), unit_sizes(circuit, recipe), team)


def gradients(run: Run, rows: int) -> np.ndarray:
    """float64[parameters]: of the first samples as one batch."""
    run.gradients(np.arange(rows), 0)
    return np.concatenate([one.grad.double().flatten().numpy() for one in run.parameters.values() if one.grad is not None])


def measure(changes: dict[str, object], team: Team) -> dict[str, list[float]]:
    """Gradients of a batch of 17, of one sample, and the weights after an epoch."""
    run = make_run(changes, team)
    found = {"batch": gradients(run, BATCH).tolist(), "sample": gradients(run, 1).tolist()}
    run.epoch(None, {}, None)
    return found | {"weights": np.concatenate([one.detach().double().flatten() for one in run.parameters.values()]).tolist()}


def apart(one: dict[str, list[float]], other: dict[str, list[float]]) -> dict[str, float]:
    """Differences relative in the norm."""
    return {name: float(np.linalg.norm(np.subtract(one[name], other[name])) / np.linalg.norm(other[name])) for name in one}


if __name__ == "__main__":
    together = find_team("cpu")
    measured = measure(json.loads(sys.argv[2]), together)
    Path(f"{sys.argv[1]}.{together.rank}").write_text(json.dumps(measured))
