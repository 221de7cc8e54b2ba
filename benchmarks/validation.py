"""Translation validation (C4): the equations C dv/dt = i, dz/dt = h before and after passes, at random points.

    python -m benchmarks.validation

Exact passes: currents and rates of states equal to 1e-12 of the sum of the magnitudes that flow in, capacitances to 1e-12.
Bounded passes: rates inside the bound they say. Nodes that no output can see are not compared; which they are is found here
from the non-zeros of Jacobians, not from the passes. Rows of docs/figures.md: 500 generated programs x every pass, 64 points
each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx
import numpy as np

import kcompile as kc
from benchmarks.programs import random_program
from benchmarks.row import Row, table
from kcompile.ir.circuit import Circuit
from kcompile.ir.structure import capacitance_matrix
from kcompile.passes.base import Contract, Pass
from kcompile.passes.find import known_passes
from kcompile.passes.parse_pipeline import parse_pipeline
from kcompile.passes.pipeline import Pipeline
from kcompile.passes.scaling import Factors
from kcompile.sim.pack import System
from kcompile.units import CAPACITANCE

PROGRAMS, POINTS, SWING = 500, 64, 3.0

PIPELINES = {
    "range-analysis": ("range-analysis{samples=0}",),
    "scale": ("scale{swing=0.6 V,time=1us,current=1 uA,samples=0}", "scale{time=30 ns,samples=0}"),
    "prune": ("prune{threshold=1e-3,swing=4}", "prune{fraction=0.3,swing=4}"),
    "quantize": ("quantize{bits=4,swing=4}", "quantize{grid=0.05,swing=4}"),
}
"""Options for the passes that need some."""


@dataclass(frozen=True)
class Difference:
    """Largest error of one pass on one circuit: over its tolerance, so at most 1 is right; and whether anything changed."""

    error: float
    changed: bool


def random_circuit(seed: int) -> Circuit:
    """Circuit of a generated program, the same for one seed."""
    return kc.compile(kc.Source(f"{seed}.kc", random_program(seed)), top="Top")


def pipelines(name: str) -> tuple[str, ...]:
    """Texts that run a pass."""
    return PIPELINES.get(name, (name,))


def validate(circuit: Circuit, passes: str, points: int = POINTS, seed: int = 0) -> Difference:
    """Difference of the right-hand sides at random points, over what the contract allows."""
    pipeline = parse_pipeline(passes, known_passes())
    try:
        outcome = Pipeline(pipeline.passes).run(circuit)
    except kc.UsageError:  # `scale` of voltages that are not bounded
        return Difference(0.0, False)
    after = outcome.circuit
    if after is circuit:
        return Difference(0.0, False)
    bounds = [run.bounds["rate"] for run in outcome.runs if run.one.contract is Contract.BOUNDED]
    factors = next((run.results["scale"].factors for run in outcome.runs if "scale" in run.results), Factors())
    old, new = System(circuit), System(after)
    names, left = unknown_names(old), unknown_names(new)
    place = {name: k for k, name in enumerate(names)}
    picked = np.array([place[name] for name in left], dtype=np.int64)
    seen = np.isin(left, names_that_reach(circuit, old))
    volts = unknown_units(old, factors)[picked]
    # A current in amperes, a rate of a state in its units per second.
    flows = np.where(picked < len(old.free), factors.ampere, volts / factors.second)
    rng = np.random.default_rng(seed)
    worst = 0.0 if bounds else capacitance_difference(old, new, picked, seen, factors)
    for k in range(points):
        y = rng.uniform(-SWING, SWING, old.size)
        time = float(rng.uniform(0, 1e-6))
        phase = k % len(old.slices)
        later, moved = time * factors.second, y[picked] * volts
        if bounds:
            a, b = old.rhs(phase, time, y, time)[picked], new.rhs(phase, later, moved, later)
            allowed = sum(bounds)[picked] + 1e-12 * np.maximum(rate_magnitude(old, phase, time, y)[picked],
                                                              rate_magnitude(new, phase, later, moved))
        else:
            a, b = old.flow(phase, time, y, time)[picked], new.flow(phase, later, moved, later) / flows
            allowed = 1e-12 * np.maximum(magnitude(old, phase, time, y)[picked], magnitude(new, phase, later, moved) / flows)
        finite = seen & np.isfinite(a) & np.isfinite(allowed) & (a != b)
        error = np.abs(a[finite] - b[finite]) / np.maximum(allowed[finite], 1e-300)
        worst = max(worst, float(error.max(initial=0.0)))
    return Difference(worst, True)


def capacitance_difference(old: System, new: System, picked: np.ndarray, seen: np.ndarray, factors: Factors) -> float:
    """Largest difference of capacitances between nodes that are seen, over 1e-12 of the larger of the two diagonals.

    Infinite where a node that is seen has a capacitor to a free node that is gone: its equation would be another one.
    """
    kept = picked[picked < len(old.free)]
    whole = capacitance_matrix(old.circuit)[old.free][:, old.free].toarray()
    gone = np.delete(whole[kept], kept, axis=1)
    watched = seen[: len(kept)]
    if np.any(gone[watched]):
        return float("inf")
    before = whole[np.ix_(kept, kept)]
    after = capacitance_matrix(new.circuit)[new.free][:, new.free].toarray() / factors.of(CAPACITANCE)
    diagonal = np.sqrt(np.outer(np.diag(before), np.diag(before)))
    return float((np.abs(before - after) / (1e-12 * diagonal))[watched].max(initial=0.0))


def unknown_units(system: System, factors: Factors) -> np.ndarray:
    """float64[unknowns]: the factor of each, of volts for nodes and of its own unit for a state."""
    states = [np.tile([factors.of(state.dimension) for state in table.model.states], table.count)
              for table in system.circuit.tables if table.model.states]
    return np.concatenate([np.full(len(system.free), factors.volt), *states])


def unknown_names(system: System) -> list[str]:
    """Names of the unknowns: free nodes, then states."""
    return [*(system.circuit.nodes.name(int(node)) for node in system.free), *system.state_names]


def magnitude(system: System, phase: int, time: float, y: np.ndarray) -> np.ndarray:
    """float64[unknowns]: what flows into each, without signs: the scale that rounding is relative to."""
    part, v = system.slices[phase], system.voltages(time, y)
    outputs = []
    for group in part.groups:
        values = group.values(system._fast(group, v, y, time))
        outputs += [np.broadcast_to(np.abs(value), (group.count,)) for value in values]
    return abs(part.incidence) @ np.concatenate(outputs) if outputs else np.zeros(system.size)


def rate_magnitude(system: System, phase: int, time: float, y: np.ndarray) -> np.ndarray:
    """The same as rates, divided by the capacitances."""
    flow = magnitude(system, phase, time, y)
    nodes = flow[: len(system.free)]
    rate = nodes / system._diagonal if system._inverse is None else abs(system._inverse) @ nodes
    return np.concatenate([rate, flow[len(system.free) :]])


def names_that_reach(circuit: Circuit, system: System) -> list[str]:
    """Unknowns that an output depends on, by the non-zeros of Jacobians at random points; all without outputs and ports."""
    names = unknown_names(system)
    watched = {circuit.nodes.name(int(node)) for node in (*circuit.outputs, *circuit.ports)} & set(names)
    if not watched:
        return names
    graph = networkx.DiGraph()
    graph.add_nodes_from(names)
    rng = np.random.default_rng(1)
    for phase in range(len(system.slices)):
        for _ in range(8):
            entries = system.jacobian(phase, 1e-7, rng.uniform(-SWING, SWING, system.size)).tocoo()
            live = np.flatnonzero(entries.data != 0)
            graph.add_edges_from((names[i], names[j]) for i, j in zip(entries.row[live], entries.col[live], strict=True))
    found = set(watched)
    for name in watched:
        found |= networkx.descendants(graph, name)
    return sorted(found)


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes minutes."""
    circuits = [random_circuit(seed) for seed in range(PROGRAMS)]
    for name, one in known_passes().items():
        found = [validate(circuit, text) for circuit in circuits for text in pipelines(name)]
        worst = max(difference.error for difference in found)
        yield Row(f"`{name}` ({_promise(one)}) on {PROGRAMS} generated programs", "at most 1 x what it may be off",
                  f"{worst:.2g}, {sum(d.changed for d in found)} of {len(found)} runs changed something", worst <= 1)


def _promise(one: type[Pass]) -> str:
    return "equal to 1e-12" if one.contract is Contract.EXACT else "inside its bound"


if __name__ == "__main__":
    print(table(rows()))
