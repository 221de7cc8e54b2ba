"""Adaptive Tsit5 of generated C++ against that of diffrax, at the same tolerance and at the same error reached, one thread.

    python -m benchmarks.adaptive

Both are float32. The error is the largest of all nodes and samples, of the largest voltage, against float64 at a tolerance of
1e-12 in the kernel, which tests compare with other solvers. For errors up to that of diffrax, each variant takes the loosest
tolerance that keeps it, in quarters of a decade from the one named. Times are those of a sample. `cpp` is
`kc.CircuitModule.adaptive`, `kernel` what it calls.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from importlib.util import find_spec

import numpy as np
import torch

import kcompile as kc
from benchmarks.backends import Case, network, program
from benchmarks.processor import machine
from benchmarks.relu_edges import ReluEdges
from benchmarks.row import Row, table
from benchmarks.turns import fastest, one_core, ratio, take_turns
from kcompile.kernels.packed import Columns
from kcompile.kernels.program import Program
from kcompile.sim.tableau import TSIT5

BATCHES = {1: 8, 32: 1}
"""Batches of each size; their calls come one after the other."""

TOLERANCES = (1e-3, 1e-6)
NETWORKS = ((64, 1_024), (256, 16_384))
QUARTER = 10**-0.25
"""Of a decade."""

Run = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]
"""(voltages at the end, steps) of a batch of starts [batch, nodes] at a tolerance."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    yield machine()
    if find_spec("diffrax") is None:
        yield Row("adaptive Tsit5, batch 1 and 32, over diffrax", "> 1x", "not measured: no diffrax")
        return
    with one_core():
        for nodes, edges in NETWORKS:
            yield from _rows(Case("ShiftRelu1", nodes, edges, max(BATCHES), 1))


class Variant:
    """One way to run all samples in batches."""

    def __init__(self, run: Run, starts: np.ndarray, right: np.ndarray) -> None:
        self._run, self._starts, self._right = run, starts, right
        self.samples = starts.shape[0] * starts.shape[1]

    def __call__(self, tolerance: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """(voltages, steps) of every batch."""
        return [self._run(start, tolerance) for start in self._starts]

    def found(self, tolerance: float) -> tuple[float, float]:
        """(largest error, of the largest voltage; mean of the steps)."""
        ends, steps = zip(*self(tolerance), strict=True)
        error = np.abs(np.asarray(ends) - self._right).max() / np.abs(self._right).max()
        return float(error), float(np.mean(np.asarray(steps)))

    def no_worse(self, error: float, tolerance: float) -> float:
        """The loosest tolerance whose error is no larger than another, up to ten times a given one and next to it."""
        if self.found(tolerance)[0] > error:
            return next(one for k in range(1, 21) if self.found(one := tolerance * QUARTER**k)[0] <= error)
        looser = (tolerance / QUARTER**k for k in range(1, 5))
        return [tolerance, *itertools.takewhile(lambda one: self.found(one)[0] <= error, looser)][-1]


def _rows(case: Case) -> Iterator[Row]:
    circuit, ends = network(case)
    samples = np.random.default_rng(0).normal(size=(case.batch, case.nodes)).astype(np.float32)
    exact, columns = program(circuit, 1, TSIT5, double=True)
    right, _ = exact.adaptive(samples, columns, rtol=1e-12, atol=1e-12)
    kernel, _ = program(circuit, 1, TSIT5)
    module = kc.CircuitModule(circuit, "tsit5", 1, 1.0, backend="cpp")
    edges = ReluEdges.of(circuit, ends)
    for batch, count in BATCHES.items():
        starts, wanted = (one[: batch * count].reshape(count, batch, -1) for one in (samples, right))
        runs = {**_diffrax(edges, batch), "kernel": partial(_kernel, kernel, columns)}
        variants = {name: Variant(run, starts, wanted) for name, run in runs.items()}
        for tolerance in TOLERANCES:
            public = [partial(module.adaptive, torch.from_numpy(start)) for start in starts]
            yield from _compared(f"{replace(case, batch=batch)}, tolerance {tolerance:g}", variants, public, tolerance)


def _compared(what: str, variants: dict[str, Variant], public: Sequence[Callable[..., object]],
              tolerance: float) -> Iterator[Row]:
    """Ours over the fastest of diffrax, with the same tolerance for all, then with errors no larger than the first's."""
    goal, _ = next(iter(variants.values())).found(tolerance)
    matched = {name: one.no_worse(goal, tolerance) for name, one in variants.items()}
    chosen = {f"{what} of both": dict.fromkeys(variants, tolerance), f"{what} of diffrax, ours for no larger error": matched}
    runs: dict[str, Callable[[], object]] = {}
    for tolerances in chosen.values():
        runs |= {f"{name} {one}": partial(variants[name], one) for name, one in tolerances.items()}
        runs[f"cpp {tolerances['kernel']}"] = partial(_each, public, tolerances["kernel"])
    times = take_turns(runs)
    for title, tolerances in chosen.items():
        best = fastest(times, [f"{name} {one}" for name, one in tolerances.items() if name != "kernel"])
        name = next(name for name, one in tolerances.items() if f"{name} {one}" == best)
        faster = {ours: ratio(times[best], times[f"{ours} {tolerances['kernel']}"]) for ours in ("cpp", "kernel")}
        shown = {}
        for one in ("kernel", name):
            error, steps = variants[one].found(tolerances[one])
            each = statistics.median(times[f"{one} {tolerances[one]}"]) / variants[one].samples
            shown[one] = f"{each * 1e3:.3g} ms, {steps:.0f} steps, error {error:.1e}"
        yield Row(title, "> 1x", f"cpp {faster['cpp']:.1f}x; kernel {faster['kernel']:.1f}x, {shown['kernel']}; diffrax "
                  f"{metadata.version('diffrax')}, {name}, {shown[name]}", faster["cpp"] > 1)


def _each(public: Sequence[Callable[..., object]], tolerance: float) -> None:
    for run in public:
        run(tolerance, tolerance)


def _kernel(kernel: Program, columns: Columns, start: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    return kernel.adaptive(start, columns, rtol=tolerance, atol=tolerance)


def _diffrax(edges: ReluEdges, batch: int) -> dict[str, Run]:
    import jax

    from benchmarks import diffrax_form

    return {name: lambda start, tolerance, run=run: jax.block_until_ready(run(start, tolerance))
            for name, run in diffrax_form.runs(edges, batch).items()}


if __name__ == "__main__":
    print(table(rows()))
