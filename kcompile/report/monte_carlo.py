"""Specimens of a circuit of cells, each with its own mismatch: on laws, a thousand in a minute, and on transistors, a few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.pdk.mismatch import make_lot
from kcompile.train.recipe import Recipe
from kcompile.verify.transistors import RTOL, STEPS, run_transistors


@dataclass(frozen=True, eq=False)
class Specimens:
    """float64[specimens, samples, outputs]: volts at the end."""

    ends: np.ndarray

    @property
    def spread(self) -> np.ndarray:
        """float64[samples, outputs]: standard deviation over the specimens."""
        return self.ends.std(axis=0, ddof=1)

    def accuracies(self, classes: np.ndarray) -> np.ndarray:
        """float64[specimens]: share of the samples whose highest output is their class."""
        return (self.ends.argmax(axis=2) == classes).mean(axis=1)


def draw_laws(circuit: Circuit, inputs: np.ndarray, count: int, seed: int, recipe: Recipe, area: float = 1.0,
              bias: bool = True) -> Specimens:
    """Specimens on laws, those of `draw_specimen`; inputs: volts [samples, inputs]; recipe: its solver and steps."""
    import torch

    from kcompile.train.judge import make_module
    from kcompile.train.specimens import set_values

    lot = make_lot(circuit)
    module = make_module(lot.circuit, replace(recipe, dtype="float32"))
    volts = torch.from_numpy(np.asarray(inputs, dtype=np.float32))
    ends = []
    for number in range(count):
        drawn = lot.specimen(lot.normals((seed, number)), area, bias).parameters()
        set_values(module, {name: torch.from_numpy(value.copy()) for name, value in drawn.items()})
        with torch.no_grad():
            ends.append(module(volts).double().numpy())
    return Specimens(np.array(ends))


def draw_transistors(circuit: Circuit, inputs: np.ndarray, seeds: Sequence[int], corner: str = "tt_mm", temperature: float = 27.0,
                     watch: Callable[[int, int], None] | None = None) -> Specimens:
    """Specimens on transistors, one for each seed, every input in a run of its own."""
    until = circuit.duration or 0.0
    ends = []
    for done, seed in enumerate(seeds, start=1):
        options = BenchOptions(until=until, max_step=until / STEPS, rtol=RTOL, corner=corner, temperature=temperature, seed=seed)
        ends.append([run_transistors(circuit.with_initial(one), options, np.array([until]), circuit.outputs.tolist()).volts[0]
                     for one in inputs])
        if watch is not None:
            watch(done, len(seeds))
    return Specimens(np.array(ends))
