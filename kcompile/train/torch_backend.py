"""The torch path: node-major tensors [unknowns, batch], a gather and a sparse sum per stage, gradients by autograd."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kcompile.sim.pack import Group, Slice
from kcompile.sim.schedule import stage_values
from kcompile.sim.waveform import Sources
from kcompile.train.base import Problem
from kcompile.train.linear import Linear, incidence, select
from kcompile.train.torch_capacitance import Capacitance, Rates
from kcompile.train.torch_laws import Registers, evaluate, prepare

Step = tuple[int, int]
"""Number of a step, number of a stage."""


class TorchBackend:
    """Runs a problem with torch operations on the device of the tensors it is given; raises `UsageError` KC0552."""

    name = "torch"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._layouts = {torch.device("cpu"): _Layout(problem, torch.empty(0))}

    def __call__(self, start: Tensor, columns: Sequence[Tensor], drives: Tensor | None = None) -> Tensor:
        """States [batch, records, size]; see `Backend`."""
        if start.device not in self._layouts:
            self._layouts[start.device] = _Layout(self.problem, start)
        return self._layouts[start.device].run(start, columns, drives)


@dataclass(frozen=True, eq=False)
class _Part:
    """A group in a slice: its place in `System.groups`, where each input comes from and where each output goes."""

    place: int
    group: Group
    inputs: tuple[tuple[str, Linear], ...]
    outputs: tuple[Linear, ...]


class _Layout:
    """A problem on one device."""

    def __init__(self, problem: Problem, like: Tensor) -> None:
        self._problem, self._like = problem, like.new_empty(0, dtype=problem.dtype)
        system = problem.system
        self._known = len(system.driven) + 1
        self._unknown = np.full(system.circuit.nodes.count, system.size + len(system.driven), dtype=np.int64)
        self._unknown[system.free] = np.arange(len(system.free))
        self._unknown[system.driven] = system.size + np.arange(len(system.driven))
        self._capacitance = Capacitance(system, self._like)
        self._slices = tuple(self._slice(part) for part in system.slices)
        self._waves = [self._group_waves(group) for group in system.groups]
        self._slopes = self._drive_slopes() if self._capacitance.coupled else None
        self._rail = tuple(self._tensor(bound)[:, None] for bound in (problem.lower, problem.upper)) if np.any(
            np.isfinite(problem.lower) | np.isfinite(problem.upper)) else None

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=self._like.dtype, device=self._like.device)

    # ---- construction -------------------------------------------------------------------------------------------------

    def _slice(self, part: Slice) -> tuple[_Part, ...]:
        system, rows, at = self._problem.system, self._problem.system.size + self._known, 0
        found = []
        for group in part.groups:
            columns = {f"V({name})": self._unknown[group.ends[:, k]] for k, name in enumerate(group.model.terminals)}
            columns |= {state.name: group.states[:, k] for k, state in enumerate(group.model.states)}
            inputs = tuple((name, select(columns[name], rows, self._like)) for name in group.kernels.values.inputs
                           if name in columns)
            starts = at + group.count * np.arange(len(group.kernels.values.outputs) + 1)
            outputs = tuple(incidence(part.incidence[:, a:b], self._like) for a, b in itertools.pairwise(starts))
            place = next(k for k, other in enumerate(system.groups) if other is group)
            found.append(_Part(place, group, inputs, outputs))
            at = starts[-1]
        return tuple(found)

    def _group_waves(self, group: Group) -> dict[str, Tensor]:
        """[steps, stages, count, 1] by parameter."""
        found: dict[str, list[np.ndarray]] = {}
        for name, _, sources in group.waves:  # table by table, as the rows of the group are
            found.setdefault(name, []).append(stage_values(sources, self._problem.stage_times))
        return {name: self._tensor(np.concatenate(parts, axis=2))[..., None] for name, parts in found.items()}

    def _drive_slopes(self) -> Tensor:
        """[driven, steps * stages] in V/s."""
        times, schedule = self._problem.stage_times, self._problem.schedule
        middles = schedule.starts + 0.5 * schedule.lengths
        every = [Sources(stimulus.wave) for stimulus in self._problem.system.circuit.stimuli]
        slopes = np.array([np.concatenate([sources.rate(float(time), float(middle)) for sources in every])
                           for row, middle in zip(times, middles, strict=True) for time in row])
        return self._tensor(slopes.T)

    # ---- evaluation ---------------------------------------------------------------------------------------------------

    def run(self, start: Tensor, columns: Sequence[Tensor], drives: Tensor | None) -> Tensor:
        problem, batch = self._problem, len(start)
        by_group = problem.by_group(columns)
        prepared = [prepare(group.kernels.values, slow, self._like)
                    for group, slow in zip(problem.system.groups, by_group, strict=True)]
        farads = self._capacitance.values(by_group)
        rates = self._capacitance.rates(farads)
        inflow = None
        if self._slopes is not None:
            inflow = self._capacitance.inflow(farads, self._slopes).view(-1, *problem.stage_times.shape)
        known = self._known_voltages(drives, batch)
        y = start.t().contiguous()
        kept = {0: y}
        for n in range(max(problem.record)):
            y = self._step(n, y, rates, prepared, known, inflow)
            kept[n + 1] = y
            if n not in problem.record:
                kept.pop(n)
        return torch.stack([kept[n] for n in problem.record]).permute(2, 0, 1)

    def _known_voltages(self, drives: Tensor | None, batch: int) -> Tensor:
        """[steps or 1, stages or 1, driven + 1, batch]: driven nodes, then ground."""
        if drives is None:
            return self._like.new_zeros(1, 1, 1, batch)
        driven = drives.permute(1, 2, 3, 0) if drives.dim() == 4 else drives[..., None]
        ground = driven.new_zeros(*driven.shape[:2], 1, 1)
        return torch.cat([driven, ground.expand(*driven.shape[:2], 1, driven.shape[3])], dim=2).expand(-1, -1, -1, batch)

    def _step(self, n: int, y: Tensor, rates: Rates, prepared: Sequence[Registers], known: Tensor,
              inflow: Tensor | None) -> Tensor:
        problem = self._problem
        # Rates are per step, not per second: the small and large numbers of seconds and farads meet once.
        rates = rates.times(self._tensor(problem.schedule.lengths[n]))
        increments: list[Tensor] = []
        for i, row in enumerate(problem.method.a):
            x = self._clip(_combined(y, row, increments))
            volts = known[min(n, len(known) - 1), min(i, known.shape[1] - 1)]
            flow = self._flow((n, i), x, prepared, volts)
            increments.append(rates(flow if inflow is None else flow + inflow[:, n, i, None]))
        return self._clip(_combined(y, problem.method.weights, increments))

    def _flow(self, at: Step, x: Tensor, prepared: Sequence[Registers], known: Tensor) -> Tensor:
        """Currents into nodes and rates of states, [size, batch]."""
        volts, flow = torch.cat([x, known]), torch.zeros_like(x)
        for part in self._slices[self._problem.schedule.slices[at[0]]]:
            fast: Mapping[str, Tensor] = {name: gather(volts) for name, gather in part.inputs} | {
                name: wave[at] for name, wave in self._waves[part.place].items()}
            values = evaluate(part.group.kernels.values, prepared[part.place], fast)
            for value, collect in zip(values, part.outputs, strict=True):
                flow = flow + collect(value.expand(part.group.count, x.shape[1]))
        return flow

    def _clip(self, x: Tensor) -> Tensor:
        return x if self._rail is None else torch.clamp(x, *self._rail)


def _combined(y: Tensor, weights: Sequence[float] | np.ndarray, increments: Sequence[Tensor]) -> Tensor:
    for weight, increment in zip(weights, increments, strict=False):
        if weight != 0.0:
            y = torch.add(y, increment, alpha=float(weight))
    return y
