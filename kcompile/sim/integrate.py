"""Waveforms of a circuit: time slices, and the pieces between corners of waveforms, which are never stepped over."""

from __future__ import annotations

import itertools

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.sim.pack import System
from kcompile.sim.piece import Piece, Progress, not_finite
from kcompile.sim.result import Waveforms

DEFAULT_RTOL = 1e-8
MIN_RTOL = 1e-13


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
               rtol: float) -> tuple[np.ndarray, Progress]:
    progress = Progress()
    corners = system.corners(stop)
    edges = [start, *corners[(corners > start) & (corners < stop)], stop]
    if start == 0.0:
        states[times <= 0.0] = y
    for a, b in itertools.pairwise(edges):
        if b - a > 1e-15 * max(abs(a), abs(b)):
            y = Piece(system, k, float(a), float(b), rtol, times, states, progress).run(y)
        else:  # one corner twice, apart by rounding
            states[(times > a) & (times <= b)] = y
    if not np.all(np.isfinite(y)):
        raise not_finite(system, y, stop)
    return y, progress
