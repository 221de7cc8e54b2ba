"""How fast clamps act, and the steps that follow them."""

from __future__ import annotations

import math

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.ir.structure import capacitance_matrix
from kcompile.sim.tableau import METHODS
from kcompile.train.rails import is_clamp
from kcompile.train.recipe import Recipe

_MOST = 10_000
"""Steps of a slice that a report takes at most for the sake of a clamp."""
_MARGIN = 0.7


def clamp_rate(circuit: Circuit) -> float:
    """Largest rate per second at which a clamp moves its node, conductance by capacitance; 0 without clamps."""
    farads = capacitance_matrix(circuit).diagonal()
    return max((float(np.max(table.params["g"] / farads[table.nodes[:, 0]], initial=0.0)) for table in circuit.tables
                if is_clamp(table)), default=0.0)


def steps_for_clamps(circuit: Circuit, recipe: Recipe) -> int:
    """Steps of each slice that the method of a recipe needs to follow the clamps, 10,000 at most."""
    longest = max((phase.duration for phase in circuit.phases), default=recipe.until or 0.0)
    return min(_MOST, math.ceil(clamp_rate(circuit) * longest / (_MARGIN * METHODS[recipe.solver].reach)))


def clamp_note(circuit: Circuit, recipe: Recipe) -> str:
    """What is to be known of a recipe whose steps do not follow the clamps; empty otherwise."""
    needed = steps_for_clamps(circuit, recipe)
    if recipe.rail != "clamp" or recipe.steps >= needed:
        return ""
    return (f"the clamps act at up to {clamp_rate(circuit):.3g}/s, which {recipe.solver} follows with {needed:,} steps; with "
            f"{recipe.steps} voltages may run away, take rail = \"ideal\"")
