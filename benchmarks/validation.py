"""Translation validation (C4): right-hand sides before and after passes, at random points.

    python -m benchmarks.validation

Exact passes: equal to 1e-12 of the sum of the magnitudes that flow into a node, times the condition of capacitors between
nodes. Bounded passes: inside the bound they say. Nodes that no output can see are not compared; which they are is found here
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
    bound = sum(bounds)[picked] if bounds else np.zeros(len(left))
    units = unknown_units(old, factors)[picked]
    rng = np.random.default_rng(seed)
    worst = 0.0
    for k in range(points):
        y = rng.uniform(-SWING, SWING, old.size)
        time = float(rng.uniform(0, 1e-6))
        phase = k % len(old.slices)
        later, moved = time * factors.second, y[picked] * units
        a, b = old.rhs(phase, time, y, time)[picked], new.rhs(phase, later, moved, later) * factors.second / units
        scale = np.maximum(magnitude(old, phase, time, y)[picked],
                           magnitude(new, phase, later, moved) * factors.second / units)
        finite = seen & np.isfinite(a) & np.isfinite(scale) & (a != b)
        allowed = 1e-12 * scale + bound
        error = np.abs(a[finite] - b[finite]) / np.maximum(allowed[finite], 1e-300)
        worst = max(worst, float(error.max(initial=0.0)))
    return Difference(worst, True)


def unknown_units(system: System, factors: Factors) -> np.ndarray:
    """float64[unknowns]: the factor of each, of volts for nodes and of its own unit for a state."""
    states = [np.tile([factors.of(state.dimension) for state in table.model.states], table.count)
              for table in system.circuit.tables if table.model.states]
    return np.concatenate([np.full(len(system.free), factors.volt), *states])


def unknown_names(system: System) -> list[str]:
    """Names of the unknowns: free nodes, then states."""
    return [*(system.circuit.nodes.name(int(node)) for node in system.free), *system.state_names]


def magnitude(system: System, phase: int, time: float, y: np.ndarray) -> np.ndarray:
    """float64[unknowns]: what flows into each, without signs, as a rate: the scale that rounding is relative to.

    Where capacitors join nodes it has the condition of their matrix, 1e4 for 10 kF between nodes with 1 F to ground: no two
    programs whose capacitances differ in the last digit have rates that agree any closer.
    """
    part, v = system.slices[phase], system.voltages(time, y)
    outputs = []
    for group in part.groups:
        values = group.values(system._fast(group, v, y, time))
        outputs += [np.broadcast_to(np.abs(value), (group.count,)) for value in values]
    flow = abs(part.incidence) @ np.concatenate(outputs) if outputs else np.zeros(system.size)
    nodes = flow[: len(system.free)]
    if system._inverse is None:
        rate = nodes / system._diagonal
    else:
        # The capacitances are rounded too: changes of dC move C^-1 i by |C^-1| |dC| |C^-1 i| (Skeel).
        free = capacitance_matrix(system.circuit)[system.free][:, system.free]
        rate = abs(system._inverse) @ (abs(free) @ (abs(system._inverse) @ nodes))
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
