"""Generated C++ against JAX and numba: the same network, equal RK4 steps, one thread.

    python -m benchmarks.rivals

JAX and numba get states as they like them, [nodes, batch], and keep them; `cpp` is a call of `kc.CircuitModule`, `kernel` what
it calls, both from [batch, nodes]. JAX is compiled as a whole and counts by the fastest of its forms.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from importlib.util import find_spec

import numpy as np
import torch

import kcompile as kc
from benchmarks.backends import Case, Kernel, forward, network
from benchmarks.processor import machine
from benchmarks.relu_edges import ReluEdges
from benchmarks.row import Row, table
from benchmarks.turns import fastest, one_core, ratio, take_turns

CASES = (Case("ShiftRelu1", 256, 16_384, 32, 20), Case("ShiftRelu1", 64, 1_024, 32, 20))
WANTED = {"jax": 4.0, "numba": 3.0}
"""Times as fast as a library that generated C++ is to be."""

NOTE = """256 nodes came to 4.2x and 3.0x on this machine at another hour. At 64 nodes a call of the module costs a quarter of its
time: the kernel alone is 3.7x and 2.6x."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    yield machine()
    with one_core():
        for case in CASES:
            yield from _rows(case)


def _rows(case: Case) -> Iterator[Row]:
    circuit, ends = network(case)
    x = torch.randn(case.batch, case.nodes, generator=torch.Generator().manual_seed(0))
    module = kc.CircuitModule(circuit, "rk4", case.steps, 1.0, backend="cpp")
    right = module(x).detach().numpy()
    ours = {"cpp": module, "kernel": Kernel(case, circuit)}
    runs: dict[str, Callable[[], object]] = {name: partial(forward, one, x) for name, one in ours.items()}
    forms: dict[str, list[str]] = {}
    difference = 0.0
    for library, make in (("jax", _jax), ("numba", _numba)):
        if find_spec(library) is None:
            yield Row(f"{case}: over {library}", f"{WANTED[library]:g}x", f"not measured: no {library}")
            continue
        made = make(ReluEdges.of(circuit, ends), case, np.ascontiguousarray(x.numpy().T))
        difference = max(difference, *(float(np.abs(np.asarray(run()).T - right).max()) for run in made.values()))
        runs |= made
        forms[library] = list(made)
    times = take_turns(runs)
    for name, found in times.items():
        each = statistics.median(found) / (4 * case.steps * case.edges * case.batch) * 1e9
        yield Row(f"{case}: {name}", "", f"{each:.3g} ns")
    for library, names in forms.items():
        best = times[fastest(times, names)]
        for name in ("cpp", "kernel"):
            found, wanted = ratio(best, times[name]), WANTED[library] if name == "cpp" else None
            yield Row(f"{case}: {name} over {library}", f"{wanted:g}x" if wanted else "", f"{found:.1f}x",
                      found >= wanted if wanted else None)
    if forms:
        yield Row(f"{case}: largest difference, of the largest output", "", f"{difference / np.abs(right).max():.1e}")


def _jax(edges: ReluEdges, case: Case, x: np.ndarray) -> dict[str, Callable[[], object]]:
    import jax

    from benchmarks import jax_form

    start = jax.numpy.array(x)
    compiled = {name: jax_form.rk4(rates, case.steps) for name, rates in jax_form.forms(edges).items()}
    return {f"jax {metadata.version('jax')}, {name}": lambda run=run: run(start).block_until_ready()
            for name, run in compiled.items()}


def _numba(edges: ReluEdges, case: Case, x: np.ndarray) -> dict[str, Callable[[], object]]:
    from benchmarks import numba_form

    return {f"numba {metadata.version('numba')}": partial(numba_form.rk4(edges, case.batch, case.steps), x)}


if __name__ == "__main__":
    print(table(rows()))
