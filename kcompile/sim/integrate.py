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
_CHECK_EVERY = 64
_WORTH_SWITCHING = 3000
"""Steps still to go at the stability limit that make implicit steps cheaper."""


@dataclass
class _Progress:
    steps: int = 0
    implicit: bool = False
    reason: str = ""


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
        y, progress = _run_slice(system, k, start, stop, y, times, states, rtol)
        kind = f"implicit (Radau IIA, order 5): {progress.reason}" if progress.implicit else "explicit (Dormand-Prince, order 8)"
        methods.append(f"{label}: {kind}, {progress.steps} steps")
    values = np.empty((len(times), circuit.nodes.count - 1 + len(system.state_names)))
    for row, time in enumerate(times):
        values[row, : circuit.nodes.count - 1] = system.voltages(float(time), states[row])[1:]
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
        return system.rhs(k, time, y, middle)

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
        _step(solver, system, rhs)
        progress.steps += 1
        _record(solver, times, states)
        step = solver.t - (solver.t_old or at)
        if progress.steps % _CHECK_EVERY == 0 and (stop - solver.t) / max(step, 1e-300) > _WORTH_SWITCHING:
            # Largest row sum of |J| bounds the fastest rate; steps of its size are limited by stability, not accuracy.
            bound = float(abs(system.jacobian(k, solver.t, solver.y)).sum(axis=1).max()) if system.size else 0.0
            if step * bound > 1.5:
                progress.implicit = True
                progress.reason = f"stiff, rates up to {bound:.2g}/s over {stop - at:.2g} s"
                return solver.t, solver.y
        _limit(progress, solver)
    return stop, solver.y


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
    name = system.circuit.nodes.name(int(system.free[bad])) if bad < len(system.free) else \
        system.state_names[bad - len(system.free)]
    return SimulatorFailed("nonfinite", Diagnostic("KC0602", f"`{name}` is not finite at t = {time:.6g} s"))
