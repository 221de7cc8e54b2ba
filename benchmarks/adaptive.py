"""Adaptive Tsit5 of generated C++ against that of diffrax, at the same tolerance and at the same error reached, one thread.

    python -m benchmarks.adaptive

Both are float32; the error is the largest of all nodes and samples against float64 at a tolerance of 1e-12, by scipy's DOP853. At
the same error each variant takes the loosest tolerance, in steps of a quarter decade from the one named, that is no worse than
diffrax there. Batches of 1 are `SAMPLES` calls, one after the other.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from importlib.util import find_spec

import numpy as np
import scipy.sparse
from scipy.integrate import solve_ivp

from benchmarks.backends import Case, network, program
from benchmarks.processor import machine
from benchmarks.relu_edges import ReluEdges
from benchmarks.row import Row, table
from benchmarks.turns import fastest, one_core, ratio, take_turns
from kcompile.sim.tableau import TSIT5

SAMPLES = 32
TOLERANCES = (1e-3, 1e-5)
NETWORKS = ((64, 1_024), (256, 16_384))
FINER = 10**-0.25

Run = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]
"""(voltages at the end, steps) of a batch of starts [batch, nodes] at a tolerance."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    yield machine()
    if find_spec("diffrax") is None:
        yield Row("adaptive Tsit5, batch 1 and 32, over diffrax", "> 1x", "not measured: no diffrax")
        return
    with one_core():
        for (nodes, edges), batch in itertools.product(NETWORKS, (1, SAMPLES)):
            yield from _rows(Case("ShiftRelu1", nodes, edges, batch, 1))


class Variant:
    """One way to run all samples in batches."""

    def __init__(self, run: Run, starts: np.ndarray, right: np.ndarray) -> None:
        self._run, self._starts, self._right = run, starts, right

    def __call__(self, tolerance: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """(voltages, steps) of every batch."""
        return [self._run(start, tolerance) for start in self._starts]

    def found(self, tolerance: float) -> tuple[float, float]:
        """(largest error in volts, mean of the steps)."""
        ends, steps = zip(*self(tolerance), strict=True)
        return float(np.abs(np.asarray(ends) - self._right).max()), float(np.mean(np.asarray(steps)))

    def no_worse(self, error: float, tolerance: float) -> float:
        """The loosest tolerance about one whose error is no larger than another."""
        if self.found(tolerance)[0] > error:
            return next(one for k in range(1, 21) if self.found(one := tolerance * FINER**k)[0] <= error)
        return next(one * FINER for k in range(1, 21) if self.found(one := tolerance / FINER**k)[0] > error)


def _rows(case: Case) -> Iterator[Row]:
    circuit, ends = network(case)
    edges = ReluEdges.of(circuit, ends)
    starts = np.random.default_rng(0).normal(size=(SAMPLES // case.batch, case.batch, case.nodes)).astype(np.float32)
    right = _reference(edges, starts)
    kernel, columns = program(circuit, 1, TSIT5)
    ours = Variant(lambda start, tolerance: kernel.adaptive(start, columns, rtol=tolerance, atol=tolerance), starts, right)
    others = {f"diffrax, {name}": Variant(run, starts, right) for name, run in _diffrax(edges, case.batch).items()}
    first = others[next(iter(others))]
    for tolerance in TOLERANCES:
        what = f"{case}, tolerance {tolerance:g}"
        goal, _ = first.found(tolerance)
        yield from _compared(f"{what} of both", ours, others, {name: tolerance for name in (*others, "kernel")})
        least = {name: one.no_worse(goal, tolerance) for name, one in (*others.items(), ("kernel", ours))}
        yield from _compared(f"{what} of diffrax and its error of {goal:.1e} V or less", ours, others, least)


def _compared(what: str, ours: Variant, others: dict[str, Variant], tolerances: dict[str, float]) -> Iterator[Row]:
    """Rows of the fastest of diffrax and of the kernel, each at its tolerance."""
    variants = {**others, "kernel": ours}
    times = take_turns({name: partial(one, tolerances[name]) for name, one in variants.items()})
    best = fastest(times, others)
    for name in (best, "kernel"):
        error, steps = variants[name].found(tolerances[name])
        shown = f"{statistics.median(times[name]) / SAMPLES * 1e6:.3g} us a sample, {steps:.0f} steps, error {error:.1e} V"
        if name == best:
            yield Row(f"{what}: {name.replace('diffrax', 'diffrax ' + metadata.version('diffrax'))}", "", shown)
        else:
            faster = ratio(times[best], times[name])
            yield Row(f"{what}: kernel", "> 1x", f"{shown}, {faster:.1f}x", faster > 1)


def _diffrax(edges: ReluEdges, batch: int) -> dict[str, Run]:
    import jax

    from benchmarks import diffrax_form

    return {name: lambda start, tolerance, run=run: jax.block_until_ready(run(start, tolerance))
            for name, run in diffrax_form.runs(edges, batch).items()}


def _reference(edges: ReluEdges, starts: np.ndarray) -> np.ndarray:
    """float64 voltages after one second, in the shape of the starts."""
    count = len(edges.start)
    place = np.tile(np.arange(count), 2)
    into = scipy.sparse.csr_array((np.repeat([-1.0, 1.0], count), (np.concatenate([edges.start, edges.stop]), place)),
                                  shape=(edges.nodes, count))

    def rates(_: float, state: np.ndarray) -> np.ndarray:
        x = state.reshape(edges.nodes, -1)
        flow = edges.gain[:, None] * np.maximum(x[edges.start] - x[edges.stop] - edges.shift[:, None], 0.0)
        return (into @ flow).ravel()

    start = starts.reshape(-1, edges.nodes).T.astype(np.float64)
    found = solve_ivp(rates, (0.0, 1.0), start.ravel(), "DOP853", rtol=1e-12, atol=1e-12)
    return found.y[:, -1].reshape(start.shape).T.reshape(starts.shape)


if __name__ == "__main__":
    print(table(rows()))
