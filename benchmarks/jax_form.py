"""A network in JAX, node-major, in the forms that were fastest of those tried.

Slower were sums over padded slots as one array, flows made once and gathered from there, one-hot matrices, and `.at[].add`.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.relu_edges import ReluEdges

Rates = Callable[[Array], Array]
"""dx/dt of x float32[nodes, ...]."""


def forms(edges: ReluEdges) -> dict[str, Rates]:
    """Rates of a network by the name of their form."""
    return {"segment_sum": _segments(edges), "scan over slots": _slots(edges)}


def rk4(rates: Rates, steps: int) -> Callable[[Array], Array]:
    """One second in equal steps of the classical method, compiled."""
    h = np.float32(1 / steps)

    def step(_: int, x: Array) -> Array:
        k1 = rates(x)
        k2 = rates(x + h / 2 * k1)
        k3 = rates(x + h / 2 * k2)
        k4 = rates(x + h * k3)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return jax.jit(lambda x: jax.lax.fori_loop(0, steps, step, x))


def _segments(edges: ReluEdges) -> Rates:
    """A flow for each edge, added up at both ends."""
    shift, gain = edges.shift.astype(np.float32), edges.gain.astype(np.float32)

    def rates(x: Array) -> Array:
        flow = _beside(gain, x) * jax.nn.relu(x[edges.start] - x[edges.stop] - _beside(shift, x))
        return (jax.ops.segment_sum(flow, edges.stop, edges.nodes, indices_are_sorted=True)
                - jax.ops.segment_sum(flow, edges.start, edges.nodes))

    return rates


def _slots(edges: ReluEdges) -> Rates:
    """Every node adds up its own edges, the k-th of all nodes at once: twice the flows and no scatter."""
    home, other = np.concatenate([edges.start, edges.stop]), np.concatenate([edges.stop, edges.start])
    order = np.argsort(home, kind="stable")
    degree = np.bincount(home, minlength=edges.nodes)
    place = (np.arange(len(home)) - np.repeat(np.cumsum(degree) - degree, degree), home[order])

    def table(values: np.ndarray) -> np.ndarray:
        found = np.zeros((degree.max(), edges.nodes), values.dtype)
        found[place] = values[order]
        return found

    sign = np.repeat(np.float32([1, -1]), len(edges.start))
    gain = table(-sign * np.tile(edges.gain, 2).astype(np.float32))
    columns = (table(other), table(sign), table(np.tile(edges.shift, 2).astype(np.float32)), gain)

    def rates(x: Array) -> Array:
        def add(total: Array, slot: tuple[Array, ...]) -> tuple[Array, None]:
            to, sign, shift, gain = slot
            between = _beside(sign, x) * (x - x[to])
            return total + _beside(gain, x) * jax.nn.relu(between - _beside(shift, x)), None

        return jax.lax.scan(add, jnp.zeros_like(x), columns, unroll=4)[0]

    return rates


def _beside(column: np.ndarray | Array, x: Array) -> np.ndarray | Array:
    """A column with as many axes as x."""
    return column.reshape(column.shape + (1,) * (x.ndim - 1))
