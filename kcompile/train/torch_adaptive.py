"""Steps chosen for each sample in torch operations: any circuit, any device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from kcompile.sim.tolerance import MOST, SHORTEST, check_reached, check_tolerances
from kcompile.sim.waveform import Sources
from kcompile.train.base import Problem
from kcompile.train.torch_backend import Layout
from kcompile.train.torch_laws import Registers
from kcompile.train.torch_step import SliceStep, combined, flow_of

Rate = Callable[[np.ndarray, Tensor], Tensor]


class TorchAdaptive:
    """Runs a `Problem` to its end without gradients; its schedule has one step for each smooth piece of the waveforms."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._layouts: dict[torch.device, _AdaptiveLayout] = {}

    def __call__(self, start: Tensor, columns: Sequence[Tensor], rtol: float, atol: float) -> Tensor:
        """States [batch, 1, size]; raises `UsageError` KC0503, `SimulatorFailed` KC0601."""
        check_tolerances(rtol, atol, np.dtype(np.float64 if self._problem.dtype == torch.float64 else np.float32))
        if start.device not in self._layouts:
            self._layouts[start.device] = _AdaptiveLayout(self._problem, start)
        return self._layouts[start.device].reach(start, columns, rtol, atol)


class _AdaptiveLayout(Layout):
    """A problem on one device."""

    def reach(self, start: Tensor, columns: Sequence[Tensor], rtol: float, atol: float) -> Tensor:
        schedule, by_group = self._problem.schedule, self._problem.by_group(columns)
        prepared, farads = self._prepare(by_group), self._capacitance.values(by_group)
        control = _Control(start.t().contiguous(), rtol, atol, self._problem)
        for n in range(schedule.count):
            step = self._steps[schedule.slices[n]]
            assert isinstance(step, SliceStep)
            begin, length = float(schedule.starts[n]), float(schedule.lengths[n])
            control.run(self._rate(step, prepared, farads, begin, begin + length), step.clipped, length)
        check_reached(control.given_up | ~np.isfinite(control.y.cpu().numpy()).all(axis=0), rtol)
        return control.y.t()[:, None]

    def _rate(self, step: SliceStep, prepared: Sequence[Registers], farads: Tensor, begin: float, end: float) -> Rate:
        """Rates at seconds after `begin`, one for each sample, inside a smooth piece of the waveforms."""
        middle = 0.5 * (begin + end)
        system, rates = self._problem.system, self._capacitance.rates(farads)
        driven = [Sources(one.wave) for one in system.circuit.stimuli]

        def rate(after: np.ndarray, x: Tensor) -> Tensor:
            times = begin + after
            known = [self._tensor(one.values(times)) for one in driven]
            waves = [self._waves_at(k, times) for k in range(len(system.groups))]
            flow = flow_of(step.parts, x, torch.cat([*known, x.new_zeros(1, x.shape[1])]), prepared, waves)
            if self._capacitance.coupled:
                slopes = torch.cat([self._tensor(one.rates(times, middle)) for one in driven])
                flow = flow + self._capacitance.inflow(farads, slopes)
            return rates(flow)

        return rate

    def _waves_at(self, k: int, times: np.ndarray) -> dict[str, Tensor]:
        """[count, batch] by parameter of a group."""
        found: dict[str, list[np.ndarray]] = {}
        for name, _, sources in self._problem.system.groups[k].waves:  # table by table, as the rows of the group are
            found.setdefault(name, []).append(sources.values(times))
        return {name: self._tensor(np.concatenate(parts)) for name, parts in found.items()}


class _Control:
    """The state of all samples, and the length of the next step of each."""

    def __init__(self, y: Tensor, rtol: float, atol: float, problem: Problem) -> None:
        batch = y.shape[1]
        self.y, self.given_up = y, np.zeros(batch, dtype=bool)
        self._rtol, self._atol, self._method = rtol, atol, problem.method
        self._shortest = SHORTEST * torch.finfo(y.dtype).eps
        self._taken = np.zeros(batch, dtype=np.int64)
        self._h: np.ndarray | None = None

    def run(self, rate: Rate, clipped: Callable[[Tensor], Tensor], length: float) -> None:
        """Take every sample through `length` seconds; `clipped` puts a state into the rail."""
        method, t = self._method, np.zeros(len(self.given_up))
        first = rate(t, self.y)
        h = self._first_step(first, length) if self._h is None else self._h
        while (active := (t < length) & ~self.given_up).any():
            last = h >= length - t
            step = np.where(active, np.minimum(h, length - t), 0.0)
            seconds = torch.as_tensor(step, dtype=self.y.dtype, device=self.y.device)
            x, rates = self.y, [first]
            for part, row in zip(method.c[1:], method.rows, strict=True):
                x = clipped(self.y + seconds * combined(torch.zeros_like(first), row, rates))
                rates.append(rate(t + part * step, x))
            assert method.error is not None
            error = self._norm(seconds * combined(torch.zeros_like(first), method.error, rates), x)
            finite = np.isfinite(error)
            accepted = active & finite & (error <= 1.0)
            factor = np.where(finite, np.maximum(error, 1e-8, where=finite, out=np.ones_like(error)), 1.0) ** (-1 / method.order)
            factor = np.clip(0.9 * np.where(finite, factor, 0.0), 0.2, 5.0)
            ahead = step * np.where(accepted, factor, np.minimum(factor, 0.9))
            t = np.where(accepted, np.where(last, length, t + step), t)
            # A step cut short by the end of a piece says nothing against longer ones.
            h = np.where(active, np.where(accepted & (step < h), np.maximum(h, ahead), ahead), h)
            self._taken += active
            self.given_up |= active & ((self._taken >= MOST) | (h < self._shortest * length))
            taken = torch.as_tensor(accepted, device=self.y.device)
            # The last stage is the end of the step, and its rate the first of the next.
            self.y, first = torch.where(taken, x, self.y), torch.where(taken, rates[-1], first)
        self._h = h

    def _norm(self, values: Tensor, other: Tensor) -> np.ndarray:
        """Root of the mean square of values over what an error may be, over the unknowns of each sample."""
        allowed = self._atol + self._rtol * torch.maximum(self.y.abs(), other.abs())
        return (values / allowed).square().mean(dim=0).sqrt().cpu().numpy().astype(np.float64)

    def _first_step(self, first: Tensor, length: float) -> np.ndarray:
        """E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, II.4: a hundredth of values over
        rates, in seconds."""
        values, rates = self._norm(self.y, self.y), self._norm(first, self.y)
        known = (values > 1e-5) & (rates > 1e-5)
        return np.minimum(np.where(known, 0.01 * values / np.where(known, rates, 1.0), 1e-3 * length), length)
