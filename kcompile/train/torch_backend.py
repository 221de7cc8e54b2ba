"""The torch path: node-major tensors [unknowns, batch], a gather and a sparse sum per stage, gradients by autograd."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from kcompile.sim.pack import Group, Slice
from kcompile.sim.schedule import stage_values
from kcompile.sim.waveform import Sources
from kcompile.train.base import Problem
from kcompile.train.linear import incidence, select
from kcompile.train.torch_capacitance import Capacitance
from kcompile.train.torch_laws import prepare
from kcompile.train.torch_step import Part, SliceStep


class TorchBackend:
    """Runs a problem with torch operations on the device of the tensors it is given; raises `UsageError` KC0552."""

    name = "torch"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._layouts = {torch.device("cpu"): self._lay_out(torch.empty(0))}

    def __call__(self, start: Tensor, columns: Sequence[Tensor], drives: Tensor | None = None) -> Tensor:
        """States [batch, records, size]; see `Backend`."""
        if start.device not in self._layouts:
            self._layouts[start.device] = self._lay_out(start)
        return self._layouts[start.device].run(start, columns, drives)

    def _lay_out(self, like: Tensor) -> Layout:
        return Layout(self.problem, like)


class Layout:
    """A problem on one device; `wrap` may put something faster in the place of the steps of each slice."""

    def __init__(self, problem: Problem, like: Tensor,
                 wrap: Callable[[SliceStep], Callable[..., Tensor]] = lambda step: step) -> None:
        self._problem, self._like = problem, like.new_empty(0, dtype=problem.dtype)
        system = problem.system
        self._known = len(system.driven) + 1
        self._unknown = np.full(system.circuit.nodes.count, system.size + len(system.driven), dtype=np.int64)
        self._unknown[system.free] = np.arange(len(system.free))
        self._unknown[system.driven] = system.size + np.arange(len(system.driven))
        self._capacitance = Capacitance(system, self._like)
        self._waves = [self._group_waves(group) for group in system.groups]
        self._slopes = self._drive_slopes() if self._capacitance.coupled else None
        railed = np.any(np.isfinite(problem.lower) | np.isfinite(problem.upper))
        self._rail = (self._tensor(problem.lower)[:, None], self._tensor(problem.upper)[:, None]) if railed else None
        self._lengths = self._tensor(problem.schedule.lengths)
        self._steps = tuple(wrap(self._slice(part)) for part in system.slices)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=self._like.dtype, device=self._like.device)

    # ---- construction -------------------------------------------------------------------------------------------------

    def _slice(self, part: Slice) -> SliceStep:
        system, rows, at = self._problem.system, self._problem.system.size + self._known, 0
        parts = []
        for group in part.groups:
            columns = {f"V({name})": self._unknown[group.ends[:, k]] for k, name in enumerate(group.model.terminals)}
            columns |= {state.name: group.states[:, k] for k, state in enumerate(group.model.states)}
            kernel = group.kernels.values
            inputs = tuple((name, select(columns[name], rows, self._like)) for name in kernel.inputs if name in columns)
            starts = at + group.count * np.arange(len(kernel.outputs) + 1)
            outputs = tuple(incidence(part.incidence[:, a:b], self._like) for a, b in itertools.pairwise(starts))
            place = next(k for k, other in enumerate(system.groups) if other is group)
            parts.append(Part(place, kernel, group.count, inputs, outputs))
            at = starts[-1]
        return SliceStep(tuple(parts), self._problem.method, self._rail)

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
            step = self._steps[problem.schedule.slices[n]]
            waves = [{name: wave[n] for name, wave in group.items()} for group in self._waves]
            # Rates are per step, not per second: the small and large numbers of seconds and farads meet once.
            y = step(y, rates.times(self._lengths[n]), prepared, known[min(n, len(known) - 1)], waves,
                     None if inflow is None else inflow[:, n])
            kept[n + 1] = y
            if n not in problem.record:
                kept.pop(n)
        return torch.stack([kept[n] for n in problem.record]).permute(2, 0, 1)

    def _known_voltages(self, drives: Tensor | None, batch: int) -> Tensor:
        """[steps or 1, stages, driven + 1, batch]: driven nodes, then ground."""
        stages = self._problem.method.stages
        if drives is None:
            return self._like.new_zeros(1, stages, 1, batch)
        driven = drives.permute(1, 2, 3, 0) if drives.dim() == 4 else drives[..., None]
        ground = driven.new_zeros(len(driven), stages, 1, 1)
        return torch.cat([driven, ground.expand(-1, -1, 1, driven.shape[3])], dim=2).expand(-1, -1, -1, batch)
