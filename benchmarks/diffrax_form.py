"""Adaptive Tsit5 of diffrax over a network, compiled, with the tolerance as an argument.

Each form of `jax_form` with steps for each sample, as `vmap` makes them, and with one sequence of steps for the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import diffrax
import jax
import numpy as np
from jax import Array

from benchmarks import jax_form
from benchmarks.relu_edges import ReluEdges

Run = Callable[[np.ndarray, float], tuple[Array, Array]]
"""(voltages after one second, steps tried), from those at the start and a tolerance, relative and in volts."""


def runs(edges: ReluEdges, batch: int) -> dict[str, Run]:
    """Compiled runs from float32[batch, nodes] to the same by the name of their form."""
    found: dict[str, Run] = {}
    for name, rates in jax_form.forms(edges).items():
        found[f"{name}, steps for each sample"] = jax.jit(jax.vmap(_solve(rates), in_axes=(0, None)))
        if batch > 1:
            together = _solve(rates)
            found[f"{name}, steps for the batch"] = jax.jit(lambda x, tolerance, run=together: _turned(run(x.T, tolerance)))
    return found


def _solve(rates: jax_form.Rates) -> Run:
    term, solver = diffrax.ODETerm(lambda t, y, _: rates(y)), diffrax.Tsit5()

    def run(x: Array, tolerance: float) -> tuple[Array, Array]:
        control = diffrax.PIDController(rtol=tolerance, atol=tolerance)
        found = diffrax.diffeqsolve(term, solver, 0.0, 1.0, None, x, stepsize_controller=control, saveat=diffrax.SaveAt(t1=True),
                                    max_steps=4096)
        return found.ys[0], found.stats["num_steps"]

    return run


def _turned(found: tuple[Array, Array]) -> tuple[Array, Array]:
    return found[0].T, found[1]
