"""The time loop of one smooth piece: explicit Runge-Kutta by default, implicit where the circuit is stiff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate

from kcompile.diagnostics import Diagnostic, SimulatorFailed
from kcompile.sim.kinks import first_crossing, first_touch
from kcompile.sim.pack import System

MAX_STEPS = 5_000_000
_REACH = 4.0
"""Largest explicit step times fastest rate. Steps are stable up to 6, but there the values between them are worse than the
steps by a factor of thousands; at 4 they are as good."""
_CHECK_EVERY = 64
_POWERS = 24
_WORTH_SWITCHING = 3000
"""Steps still to go at the stability limit that make implicit steps cheaper."""
MAX_KINKS = 1_000
"""Kinks of a circuit that steps look out for. Of more, one lies in every step and most change little, while halving steps at all
of them takes longer than anybody waits."""
_NONE = np.zeros(0)


@dataclass
class Progress:
    steps: int = 0
    implicit: bool = False
    reason: str = ""
    rate: float = 0.0
    """Fastest rate of the circuit per second, as last estimated."""


class Piece:
    """The part of a simulation in slice k from `start` to `stop`, in seconds, where every waveform is smooth.

    times: float64[points], at which rows of states, float64[points, unknowns], are written.
    """

    def __init__(self, system: System, k: int, start: float, stop: float, rtol: float, times: np.ndarray, states: np.ndarray,
                 progress: Progress) -> None:
        self._system, self._k, self._start, self._stop = system, k, start, stop
        self._times, self._states, self._progress = times, states, progress
        # Voltages below a millivolt and states below a millionth of a unit need not be known relatively.
        atol: Any = np.full(system.size, rtol * 1e-3)
        atol[len(system.free) :] = rtol * 1e-6
        self._tolerances = {"rtol": rtol, "atol": atol}
        self._sides = np.zeros(0, dtype=bool)
        self._crossed = False
        self._watched = True

    def run(self, y: np.ndarray) -> np.ndarray:
        """Unknowns at the end, from those at the start; raises `SimulatorFailed` KC0601, KC0602."""
        at = self._start
        self._watched = len(self._system.kinks(self._k, at, y)) <= MAX_KINKS
        if not self._progress.implicit:
            at, y = self._explicit(at, y)
        return self._implicit(at, y) if at < self._stop else y

    def _rhs(self, time: float, y: np.ndarray) -> np.ndarray:
        rates = self._system.rhs(self._k, time, y, 0.5 * (self._start + self._stop))
        # Where the squares of all rates underflow, the error norm of scipy's method is 0/0.
        rates[np.abs(rates) < 1e-100] = 0.0
        if len(self._sides) and not self._crossed:
            self._crossed = not np.array_equal(self._system.kinks(self._k, time, y) > 0.0, self._sides)
        return rates

    # ---- methods ------------------------------------------------------------------------------------------------------

    def _dormand_prince(self, at: float, y: np.ndarray, stop: float, **limits: Any) -> scipy.integrate.OdeSolver:
        return scipy.integrate.DOP853(self._rhs, at, y, stop, **self._tolerances, **limits)

    def _radau(self, at: float, y: np.ndarray, stop: float, **limits: Any) -> scipy.integrate.OdeSolver:
        return scipy.integrate.Radau(self._rhs, at, y, stop, jac=lambda time, y: self._system.jacobian(self._k, time, y),
                                     **self._tolerances, **limits)

    def _explicit(self, at: float, y: np.ndarray) -> tuple[float, np.ndarray]:
        progress, since = self._progress, 0
        solver: Any = self._dormand_prince(at, y, self._stop)
        while solver.status == "running":
            if since % _CHECK_EVERY == 0:
                progress.rate = fastest_rate(self._system.jacobian(self._k, solver.t, solver.y))
                if (self._stop - solver.t) * progress.rate / _REACH > _WORTH_SWITCHING and self._is_limited(solver):
                    progress.implicit = True
                    progress.reason = f"stiff, rates up to {progress.rate:.2g}/s over {self._stop - at:.2g} s"
                    return solver.t, solver.y
            solver = self._step(solver, self._dormand_prince, _REACH / progress.rate if progress.rate > 0.0 else np.inf)
            # A ramp that came on may make the circuit faster at once.
            since = 0 if self._crossed else since + 1
        return self._stop, solver.y

    def _is_limited(self, solver: scipy.integrate.DOP853) -> bool:
        """Whether stability, not accuracy, held the last step."""
        return solver.t_old is not None and (solver.t - solver.t_old) * self._progress.rate > 0.4 * _REACH

    def _implicit(self, at: float, y: np.ndarray) -> np.ndarray:
        # Its interpolant is of lower order than its steps, so steps are kept well inside the distance of the records.
        longest = (self._stop - at) / 100
        solver: Any = self._radau(at, y, self._stop, max_step=longest)
        while solver.status == "running":
            solver = self._step(solver, self._radau, longest)
        return solver.y

    # ---- steps --------------------------------------------------------------------------------------------------------

    def _step(self, solver: Any, method: Any, longest: float) -> Any:
        """A solver one step further, with its records written; or one that is to try again with a shorter step."""
        at, y = solver.t, solver.y
        kinks = self._system.kinks(self._k, at, y) if self._watched else _NONE
        self._sides, self._crossed = kinks > 0.0, False
        # A ramp may be on for no longer than the tip of a sine, so no step leaps over one.
        solver.max_step = min(longest, self._system.next_extreme(self._k, at) - at) if len(kinks) else longest
        self._advance(solver)
        shorter = self._kink_within(solver, at, y, kinks, method) if len(kinks) else None
        if shorter is not None:
            return method(at, y, self._stop, first_step=shorter * (solver.t - at))
        first, last = np.searchsorted(self._times, np.array([at, solver.t]), side="right")
        if last > first:
            self._states[first:last] = solver.dense_output()(self._times[first:last]).T
        return solver

    def _kink_within(self, solver: Any, at: float, y: np.ndarray, kinks: np.ndarray, method: Any) -> float | None:
        """Part of the step just made that is to be tried instead; None where the step sees its kinks well enough."""
        crossed, length, ends = self._crossed, solver.t - at, self._system.kinks(self._k, solver.t, solver.y)
        cubics = kinks, self._slopes(at, y, kinks, length), ends, self._slopes(solver.t, solver.y, ends, length)
        touch = first_touch(*cubics)
        if touch is not None or not crossed:
            return touch
        # The estimate of the error of a method is made for smooth laws; at a kink it may be short by any factor.
        excess = self._disagreement(solver, at, y, method)
        # Up to the kink, or as far as an error that goes with the square of a step allows.
        return min(0.98, max(first_crossing(*cubics), float(np.clip(0.9 * excess**-0.5, 0.05, 0.5)))) if excess > 1.0 else None

    def _slopes(self, time: float, y: np.ndarray, kinks: np.ndarray, length: float) -> np.ndarray:
        """float64[kinks] per step of this length, by a difference along the solution."""
        ahead = 1e-3 * length
        return 1e3 * (self._system.kinks(self._k, time + ahead, y + ahead * self._rhs(time, y)) - kinks)

    def _disagreement(self, solver: Any, at: float, y: np.ndarray, method: Any) -> float:
        """How far a step is from two of half its length, at its middle and its end, in units of the tolerance.

        The root mean square over the unknowns, as in the methods.
        """
        half = 0.5 * (solver.t - at)
        middle, worst = at + half, 0.0
        other = method(at, y, solver.t, first_step=half, max_step=half)
        while other.status == "running":
            before = other.t
            self._advance(other)
            for time in (middle, solver.t):
                if before < time <= other.t:
                    one, two = (each.y if time == each.t else each.dense_output()(time) for each in (solver, other))
                    scale = self._tolerances["atol"] + self._tolerances["rtol"] * np.maximum(np.abs(y), np.abs(two))
                    worst = max(worst, float(np.sqrt(np.mean(((one - two) / scale) ** 2))))
        self._crossed = True
        return worst

    def _advance(self, solver: Any) -> None:
        message = solver.step()
        self._progress.steps += 1
        if solver.status == "failed":
            rates = self._rhs(solver.t, solver.y)
            if not np.all(np.isfinite(rates)):
                raise not_finite(self._system, rates, solver.t)
            raise SimulatorFailed("diverged", Diagnostic(
                "KC0601", f"the solver cannot go on at t = {solver.t:.6g} s: {(message or 'step too small').rstrip('.').lower()}",
                hint="a voltage probably grows without bound there; give the nodes a `rail`, or check the signs of the gains"))
        if self._progress.steps > MAX_STEPS:
            raise SimulatorFailed("stalled", Diagnostic("KC0601", f"{MAX_STEPS:,} steps were not enough, t = {solver.t:.6g} s",
                                                        hint="allow a larger --rtol"))


def fastest_rate(jacobian: scipy.sparse.csc_array) -> float:
    """Spectral radius of d(dy/dt)/dy, per second, by power iteration; the mean growth also suits complex pairs."""
    x = np.cos(np.arange(jacobian.shape[0]))  # any start that no symmetry of a circuit makes orthogonal
    growth = []
    for _ in range(_POWERS):
        size = float(np.linalg.norm(x))
        if not 0.0 < size < np.inf:
            return 0.0
        x = jacobian @ (x / size)
        growth.append(float(np.linalg.norm(x)))
    return float(np.exp(np.mean(np.log(np.maximum(growth[_POWERS // 2 :], 1e-300)))))


def not_finite(system: System, values: np.ndarray, time: float) -> SimulatorFailed:
    """The error that names the first unknown that is not finite."""
    bad = int(np.flatnonzero(~np.isfinite(values))[0])
    return SimulatorFailed("nonfinite", Diagnostic("KC0602", f"`{system.unknown_name(bad)}` is not finite at t = {time:.6g} s"))
