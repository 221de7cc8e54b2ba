"""The torch path: node-major tensors [unknowns, batch], a gather and a sparse sum per stage, gradients by autograd."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from kcompile.diagnostics import Diagnostic, SimulatorFailed, UsageError
from kcompile.sim.kernel import Kernel
from kcompile.sim.pack import Group, Slice
from kcompile.sim.schedule import stage_values
from kcompile.sim.waveform import Sources
from kcompile.train.base import Problem
from kcompile.train.linear import Linear, incidence, product, select
from kcompile.train.torch_capacitance import Capacitance
from kcompile.train.torch_implicit import MAX_UNKNOWNS, ImplicitStep, NoRoot
from kcompile.train.torch_laws import Registers, prepare
from kcompile.train.torch_step import Part, SliceStep


class TorchBackend:
    """Runs a problem with torch operations on the device of the tensors it is given.

    Raises `UsageError` KC0552, KC0553; a run `SimulatorFailed` KC0612.
    """

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
                 wrap: Callable[[SliceStep | ImplicitStep], Callable[..., Tensor]] = lambda step: step) -> None:
        self._problem, self._like = problem, like.new_empty(0, dtype=problem.dtype)
        system = problem.system
        self._known = len(system.driven) + 1
        self._unknown = np.full(system.circuit.nodes.count, system.size + len(system.driven), dtype=np.int64)
        self._unknown[system.free] = np.arange(len(system.free))
        self._unknown[system.driven] = system.size + np.arange(len(system.driven))
        self._capacitance = Capacitance(system, self._like)
        self._implicit = bool(problem.method.diagonal)
        # Every group has registers for its values; where steps are implicit, each has more for its partial derivatives.
        self._kernels = [(k, group.kernels.values) for k, group in enumerate(system.groups)]
        if self._implicit:
            self._kernels += [(k, group.kernels.partials) for k, group in enumerate(system.groups)]
        waves = [self._group_waves(group) for group in system.groups]
        self._waves = [waves[k] for k, _ in self._kernels]
        self._slopes = self._drive_slopes() if self._capacitance.coupled else None
        railed = np.any(np.isfinite(problem.lower) | np.isfinite(problem.upper))
        if self._implicit and railed:
            raise UsageError(Diagnostic("KC0509", "ideal rails project what a step finds, and implicit steps take none",
                                        hint="rail=\"clamp\", the current of the law, which implicit steps follow"))
        if self._implicit and system.size > MAX_UNKNOWNS:
            raise UsageError(Diagnostic("KC0553", f"the circuit has {system.size:,} unknowns, of which implicit steps take at "
                                        f"most {MAX_UNKNOWNS:,}",
                                        hint="take an explicit solver with shorter steps, or `kc.simulate`"))
        self._rail = (self._tensor(problem.lower)[:, None], self._tensor(problem.upper)[:, None]) if railed else None
        self._lengths = self._tensor(problem.schedule.lengths)
        self._steps = tuple(wrap(self._slice(part)) for part in system.slices)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=self._like.dtype, device=self._like.device)

    # ---- construction -------------------------------------------------------------------------------------------------

    def _slice(self, part: Slice) -> SliceStep | ImplicitStep:
        method, places = self._problem.method, {id(group): k for k, group in enumerate(self._problem.system.groups)}
        values, at = [], 0
        for group in part.groups:
            kernel = group.kernels.values
            starts = at + group.count * np.arange(len(kernel.outputs) + 1)
            outputs = tuple(incidence(part.incidence[:, a:b], self._like) for a, b in itertools.pairwise(starts))
            values.append(Part(places[id(group)], kernel, group.count, self._inputs(group, kernel), outputs))
            at = starts[-1]
        if not self._implicit:
            return SliceStep(tuple(values), method, self._rail)
        partials = tuple(Part(len(places) + places[id(group)], group.kernels.partials, group.count,
                              self._inputs(group, group.kernels.partials), ()) for group in part.groups)
        return ImplicitStep(tuple(values), partials, self._jacobian_entries(part), method, len(self._problem.system.free))

    def _inputs(self, group: Group, kernel: Kernel) -> tuple[tuple[str, Linear], ...]:
        columns = {f"V({name})": self._unknown[group.ends[:, k]] for k, name in enumerate(group.model.terminals)}
        columns |= {state.name: group.states[:, k] for k, state in enumerate(group.model.states)}
        rows = self._problem.system.size + self._known
        return tuple((name, select(columns[name], rows, self._like)) for name in kernel.inputs if name in columns)

    def _jacobian_entries(self, part: Slice) -> Linear:
        """Sums of partial derivatives, group by group and one by one, into the rows of a matrix [size, size]."""
        size, keys = self._problem.system.size, part.jacobian_keys[part.jacobian_order]
        partials = sum(group.count * len(group.kernels.places) for group in part.groups)
        return product(scipy.sparse.csr_array((part.jacobian_signs, (keys % size * size + keys // size, part.jacobian_sources)),
                                              shape=(size * size, partials)), self._like)

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
        prepared = self._prepare(by_group)
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
            try:
                y = step(y, rates.times(self._lengths[n]), prepared, known[min(n, len(known) - 1)], waves,
                         None if inflow is None else inflow[:, n])
            except NoRoot as error:
                raise self._not_solved(n, error) from None
            kept[n + 1] = y
            if n not in problem.record:
                kept.pop(n)
        return torch.stack([kept[n] for n in problem.record]).permute(2, 0, 1)

    def _prepare(self, by_group: Sequence[Mapping[str, Tensor]]) -> list[Registers]:
        return [prepare(kernel, by_group[k], self._like) for k, kernel in self._kernels]

    def _not_solved(self, n: int, error: NoRoot) -> SimulatorFailed:
        schedule, name = self._problem.schedule, self._problem.system.unknown_name(error.unknown)
        return SimulatorFailed("diverged", Diagnostic(
            "KC0612", f"the equations of step {n + 1} of {schedule.count}, from {schedule.starts[n]:.6g} s to "
            f"{schedule.ends[n]:.6g} s, were not solved for sample {error.sample}: `{name}` is off by {error.residual:.3g}",
            hint="more `steps`, or a rail at nodes that something drives without bound"))

    def _known_voltages(self, drives: Tensor | None, batch: int) -> Tensor:
        """[steps or 1, stages, driven + 1, batch]: driven nodes, then ground."""
        stages = self._problem.method.stages
        if drives is None:
            return self._like.new_zeros(1, stages, 1, batch)
        driven = drives.permute(1, 2, 3, 0) if drives.dim() == 4 else drives[..., None]
        ground = driven.new_zeros(len(driven), stages, 1, 1)
        return torch.cat([driven, ground.expand(-1, -1, 1, driven.shape[3])], dim=2).expand(-1, -1, -1, batch)
