"""One step of an explicit Runge-Kutta method in node-major tensors, for the devices that are connected in one time slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kcompile.sim.kernel import Kernel
from kcompile.sim.tableau import Tableau
from kcompile.train.linear import Linear
from kcompile.train.torch_capacitance import Rates
from kcompile.train.torch_laws import Registers, evaluate


@dataclass(frozen=True, eq=False)
class Part:
    """A group in a slice: the place of its registers, its law, where each input comes from and each output goes to."""

    place: int
    kernel: Kernel
    count: int
    inputs: tuple[tuple[str, Linear], ...]
    outputs: tuple[Linear, ...]


@dataclass(frozen=True, eq=False)
class SliceStep:
    """A function of tensors only, so that it can be compiled; `rail` are bounds [size, 1]."""

    parts: tuple[Part, ...]
    method: Tableau
    rail: tuple[Tensor, Tensor] | None

    def __call__(self, y: Tensor, rates: Rates, prepared: Sequence[Registers], known: Tensor,
                 waves: Sequence[Mapping[str, Tensor]], inflow: Tensor | None) -> Tensor:
        """Unknowns after a step, [size, batch].

        prepared, waves: for each group of the system; waves are [stages, count, 1]. known: volts of driven nodes and of
        ground, [stages, driven + 1, batch]. inflow: amperes that come in through capacitors, [size, stages].
        """
        increments: list[Tensor] = []
        for i, row in enumerate(((), *self.method.rows)):
            x = self.clipped(combined(y, row, increments))
            now = [{name: wave[i] for name, wave in group.items()} for group in waves]
            flow = flow_of(self.parts, x, known[i], prepared, now)
            increments.append(rates(flow if inflow is None else flow + inflow[:, i, None]))
        return self.clipped(combined(y, self.method.weights, increments))

    def clipped(self, x: Tensor) -> Tensor:
        """x inside the rail."""
        return x if self.rail is None else torch.clamp(x, *self.rail)


def flow_of(parts: Sequence[Part], x: Tensor, known: Tensor, prepared: Sequence[Registers],
            waves: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Currents into nodes and rates of states, [size, batch]; `known` and `waves` at one instant."""
    volts, flow = torch.cat([x, known]), torch.zeros_like(x)
    for part in parts:
        fast = {name: gather(volts) for name, gather in part.inputs} | dict(waves[part.place])
        values = evaluate(part.kernel, prepared[part.place], fast)
        for value, collect in zip(values, part.outputs, strict=True):
            flow = flow + collect(value.expand(part.count, x.shape[1]))
    return flow


def combined(y: Tensor, weights: Sequence[float], increments: Sequence[Tensor]) -> Tensor:
    """y and a sum of weighted increments."""
    for weight, increment in zip(weights, increments, strict=False):
        if weight != 0.0:
            y = torch.add(y, increment, alpha=weight)
    return y
