"""The time loop: explicit Runge-Kutta by default, implicit where the circuit is stiff, and the result says which.

Slices and corners of waveforms are never stepped over: each smooth piece is integrated by itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate

from kcompile.diagnostics import Diagnostic, SimulatorFailed, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.sim.pack import System
from kcompile.sim.result import Waveforms

MAX_STEPS = 5_000_000
DEFAULT_RTOL = 1e-8
MIN_RTOL = 1e-13
_REACH = 4.0
"""Largest explicit step times fastest rate. Steps are stable up to 6, but there the values between them are worse than the
steps by a factor of thousands; at 4 they are as good."""
_CHECK_EVERY = 64
_POWERS = 24
_WORTH_SWITCHING = 3000
"""Steps still to go at the stability limit that make implicit steps cheaper."""


@dataclass
class _Progress:
    steps: int = 0
    implicit: bool = False
    reason: str = ""
    rate: float = 0.0
    """Fastest rate of the circuit per second, as last estimated."""


def simulate(circuit: Circuit, *, until: float | None = None, times: np.ndarray | None = None, points: int = 501,
             rtol: float = DEFAULT_RTOL) -> Waveforms:
    """Waveforms of all nodes and inner states at `points` equal distances from 0 to `until`, or at given `times`.

    until: seconds, the sum of the phases by default; after the last phase only what is always connected stays so.
    Raises `UsageError` KC0508 without an end, KC0503 for bad numbers, `SimulatorFailed` when no trustworthy answer exists.
    """
    if until is None:
        until = circuit.duration
    if until is None:
        raise UsageError(Diagnostic("KC0508", "the circuit has no phases, so the time to simulate must be given",
                                    hint="for example --until 50ns"))
    if not (np.isfinite(until) and until > 0):
        raise UsageError(Diagnostic("KC0503", f"the time to simulate is positive, not {until!r}"))
    if points < 2:
        raise UsageError(Diagnostic("KC0503", "at least 2 points are recorded"))
    if not MIN_RTOL <= rtol <= 0.1:
        raise UsageError(Diagnostic("KC0503", f"rtol lies between {MIN_RTOL} and 0.1, not {rtol!r}"))
    times = np.linspace(0.0, until, points) if times is None else np.asarray(times, dtype=np.float64)
    system = System(circuit)
    states = np.empty((len(times), system.size))
    methods: list[str] = []
    y = system.initial.copy()
    for k, start, stop, label in _slices(circuit, until):
        with np.errstate(all="ignore"):  # what overflows is found by the checks for finite values
            y, progress = _run_slice(system, k, start, stop, y, times, states, rtol)
        kind = f"implicit (Radau IIA, order 5): {progress.reason}" if progress.implicit else "explicit (Dormand-Prince, order 8)"
        methods.append(f"{label}: {kind}, {progress.steps} steps")
    values = np.empty((len(times), circuit.nodes.count - 1 + len(system.state_names)))
    values[:, system.free - 1] = states[:, : len(system.free)]
    values[:, system.driven - 1] = system.drives(times)
    values[:, circuit.nodes.count - 1 :] = states[:, len(system.free) :]
    outputs = tuple(circuit.nodes.name(int(n)) for n in circuit.outputs)
    return Waveforms(times, (*circuit.nodes.names[1:], *system.state_names), values, circuit.nodes.count - 1,
                     tuple(methods), outputs)


def _slices(circuit: Circuit, until: float) -> list[tuple[int, float, float, str]]:
    if not circuit.phases:
        return [(0, 0.0, until, "all")]
    found, at = [], 0.0
    for k, phase in enumerate(circuit.phases):
        if at < until:
            found.append((k, at, min(at + phase.duration, until), phase.name))
        at += phase.duration
    if until > at * (1 + 1e-12):
        raise UsageError(Diagnostic("KC0508", f"the phases end at {at:.6g} s, {until:.6g} s are asked for"))
    k, start, _, name = found[-1]
    found[-1] = (k, start, until, name)  # the sum of the durations, rounded as `until` is
    return found


def _run_slice(system: System, k: int, start: float, stop: float, y: np.ndarray, times: np.ndarray, states: np.ndarray,
               rtol: float) -> tuple[np.ndarray, _Progress]:
    progress = _Progress()
    corners = system.corners(stop)
    edges = [start, *corners[(corners > start) & (corners < stop)], stop]
    if start == 0.0:
        states[times <= 0.0] = y
    for a, b in itertools.pairwise(edges):
        if b - a > 1e-15 * max(abs(a), abs(b)):
            y = _run_piece(system, k, float(a), float(b), y, times, states, rtol, progress)
        else:  # one corner twice, apart by rounding
            states[(times > a) & (times <= b)] = y
    if not np.all(np.isfinite(y)):
        raise _not_finite(system, y, stop)
    return y, progress


def _run_piece(system: System, k: int, start: float, stop: float, y: np.ndarray, times: np.ndarray, states: np.ndarray,
               rtol: float, progress: _Progress) -> np.ndarray:
    middle = 0.5 * (start + stop)
    # Voltages below a millivolt and states below a millionth of a unit need not be known relatively.
    atol: Any = np.full(system.size, rtol * 1e-3)
    atol[len(system.free) :] = rtol * 1e-6

    def rhs(time: float, y: np.ndarray) -> np.ndarray:
        rates = system.rhs(k, time, y, middle)
        # Where the squares of all rates underflow, the error norm of scipy's method is 0/0.
        rates[np.abs(rates) < 1e-100] = 0.0
        return rates

    at = start
    if not progress.implicit:
        at, y = _explicit(system, k, rhs, at, stop, y, times, states, rtol, atol, progress)
    if at < stop:
        at, y = _implicit(system, k, rhs, at, stop, y, times, states, rtol, atol, progress)
    return y


def _record(solver: scipy.integrate.OdeSolver, times: np.ndarray, states: np.ndarray) -> None:
    before = -np.inf if solver.t_old is None else solver.t_old
    first, last = np.searchsorted(times, np.array([before, solver.t]), side="right")
    if last > first:
        states[first:last] = solver.dense_output()(times[first:last]).T


def _explicit(system: System, k: int, rhs, at: float, stop: float, y: np.ndarray, times: np.ndarray, states: np.ndarray,
              rtol: float, atol: Any, progress: _Progress) -> tuple[float, np.ndarray]:
    solver = scipy.integrate.DOP853(rhs, at, y, stop, rtol=rtol, atol=atol)
    while solver.status == "running":
        if progress.steps % _CHECK_EVERY == 0:
            progress.rate = fastest_rate(system.jacobian(k, solver.t, solver.y))
            if (stop - solver.t) * progress.rate / _REACH > _WORTH_SWITCHING and _limited(solver, progress):
                progress.implicit = True
                progress.reason = f"stiff, rates up to {progress.rate:.2g}/s over {stop - at:.2g} s"
                return solver.t, solver.y
        solver.max_step = _REACH / progress.rate if progress.rate > 0.0 else np.inf
        _step(solver, system, rhs)
        progress.steps += 1
        _record(solver, times, states)
        _limit(progress, solver)
    return stop, solver.y


def _limited(solver: scipy.integrate.DOP853, progress: _Progress) -> bool:
    """Whether stability, not accuracy, held the last step."""
    return solver.t_old is not None and (solver.t - solver.t_old) * progress.rate > 0.4 * _REACH


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


def _implicit(system: System, k: int, rhs, at: float, stop: float, y: np.ndarray, times: np.ndarray, states: np.ndarray,
              rtol: float, atol: Any, progress: _Progress) -> tuple[float, np.ndarray]:
    # Its interpolant is of lower order than its steps, so steps are kept well inside the distance of the records.
    solver = scipy.integrate.Radau(rhs, at, y, stop, rtol=rtol, atol=atol, max_step=(stop - at) / 100,
                                   jac=lambda time, y: system.jacobian(k, time, y))
    while solver.status == "running":
        _step(solver, system, rhs)
        progress.steps += 1
        _record(solver, times, states)
        _limit(progress, solver)
    return stop, solver.y


def _step(solver: scipy.integrate.OdeSolver, system: System, rhs) -> None:
    message = solver.step()
    if solver.status != "failed":
        return
    if not np.all(np.isfinite(rhs(solver.t, solver.y))):
        raise _not_finite(system, rhs(solver.t, solver.y), solver.t)
    raise SimulatorFailed("diverged", Diagnostic(
        "KC0601", f"the solver cannot go on at t = {solver.t:.6g} s: {(message or 'step too small').rstrip('.').lower()}",
        hint="a voltage probably grows without bound there; give the nodes a `rail`, or check the signs of the gains"))


def _limit(progress: _Progress, solver: scipy.integrate.OdeSolver) -> None:
    if progress.steps > MAX_STEPS:
        raise SimulatorFailed("stalled", Diagnostic("KC0601", f"{MAX_STEPS:,} steps were not enough, t = {solver.t:.6g} s",
                                                    hint="allow a larger --rtol"))


def _not_finite(system: System, values: np.ndarray, time: float) -> SimulatorFailed:
    bad = int(np.flatnonzero(~np.isfinite(values))[0])
    return SimulatorFailed("nonfinite", Diagnostic("KC0602", f"`{system.unknown_name(bad)}` is not finite at t = {time:.6g} s"))
