"""Native waveforms against an outside simulator's, at two step sizes, with the error of every node shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kcompile.diagnostics import Diagnostic, SimulatorFailed, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.spice import Netlist, build_netlist
from kcompile.sim.integrate import simulate
from kcompile.sim.waveform import Sources
from kcompile.verify.deck import Deck, deck_of
from kcompile.verify.judge import Run

REFERENCE_RTOL = 1e-10
MIN_STEPS = 200
MAX_STEPS = 400_000
MAX_FACTOR = 16
MAX_VALUES = 60_000_000
"""Recorded values (points times waveforms) up to which the step is still halved."""


@dataclass(frozen=True)
class Attempt:
    """One run of the outside simulator: its largest step in seconds, and its error."""

    max_step: float
    points: int
    error: np.ndarray
    """float64[names]: largest distance from the native waveform, relative to full scale."""
    final: np.ndarray
    """float64[names]: the other simulator's values at the end, in volts and units of states."""
    seconds: float
    warnings: tuple[str, ...]

    @property
    def worst(self) -> float:
        return float(self.error.max(initial=0.0))


@dataclass(frozen=True)
class Report:
    """Outcome of a verification.

    full_scale: volts, largest minus smallest node voltage of the native reference (1 when nothing moves); attempts:
    coarse first; order: observed order of convergence between the last two, None where both are at the floor of rounding.
    """

    circuit: str
    tool: str
    names: tuple[str, ...]
    full_scale: float
    tolerance: float
    attempts: tuple[Attempt, ...]
    method: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.attempts[-1].worst <= self.tolerance

    @property
    def order(self) -> float | None:
        """Slope of the last two errors over their steps, in logarithms."""
        if len(self.attempts) < 2:
            return None
        coarse, fine = self.attempts[-2:]
        if fine.worst <= 1e-12 or coarse.worst == 0:
            return None
        return float(np.log(coarse.worst / fine.worst) / np.log(coarse.max_step / fine.max_step))


class Simulator(Protocol):
    """Runs a deck up to a time; the netlist says which vectors to expect. `version` names the program that answers."""

    name: str

    def version(self) -> str: ...

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run: ...


def compare(circuit: Circuit, simulator: Simulator, *, until: float | None, tolerance: float, rtol: float = REFERENCE_RTOL,
            steps: int | None = None) -> Report:
    """Report of native against `simulator`; the step is cut until the tolerance is met or cutting no longer helps.

    steps: number of largest steps of the first run, chosen from the tolerance by default. The second run halves the step,
    which shows the order; later ones go straight to the step that this order promises.
    """
    tool = simulator.version()
    until = until if until is not None else circuit.duration
    if until is None:
        raise UsageError(Diagnostic("KC0508", "the circuit has no phases, so the time to simulate must be given",
                                    hint="for example --until 50ns"))
    count = steps or _first_count(circuit, until, tolerance)
    attempts: list[Attempt] = []
    patience = 2
    while True:
        attempt, names, scale, method = _attempt(circuit, simulator, until, until / count, min(1e-6, tolerance), rtol)
        attempts.append(attempt)
        report = Report(circuit.name, tool, names, scale, tolerance, tuple(attempts), method)
        if len(attempts) == 1:
            factor = 2
        elif report.passed:
            return report
        else:
            # Second-order steps gain a factor of four; without a gain the difference is not one of step size.
            # Steps longer than the edges of a waveform do not show the order yet, so one failure is forgiven.
            order = report.order or 0.0
            patience = 2 if order >= 0.5 else patience - 1
            if patience == 0:
                return report
            needed = 1.2 * (attempt.worst / tolerance) ** (1 / min(max(order, 1.0), 2.5))
            factor = int(np.clip(np.ceil(needed), 2, MAX_FACTOR))
        room = min(MAX_STEPS // count, MAX_VALUES // (attempt.points * len(names)))
        if room < 2 and len(attempts) > 1:
            return report
        count *= max(min(factor, room), 2)


def _first_count(circuit: Circuit, until: float, tolerance: float) -> int:
    """Steps of the first run: a few for the tolerance, and enough to see the shortest edge of a waveform."""
    count = float(np.clip(0.5 / np.sqrt(tolerance), MIN_STEPS, 5_000))
    corners = [Sources(stimulus.wave).corners(until) for stimulus in circuit.stimuli]
    edges = np.diff(np.unique(np.concatenate([*corners, [0.0, until]])))
    shortest = edges[edges > 1e-9 * until].min(initial=until)
    return int(min(max(count, 4 * until / shortest), MAX_STEPS / 8))


def _attempt(circuit: Circuit, simulator: Simulator, until: float, max_step: float, spice_rtol: float, rtol: float):
    netlist = build_netlist(circuit, BenchOptions(until=until, max_step=max_step, rtol=spice_rtol))
    run = simulator(deck_of(circuit.name, netlist.artifacts), netlist, until)
    # The native solution is evaluated at their instants, so no interpolation of theirs enters the error.
    time = np.minimum(run.raw.time, until)
    native = simulate(circuit, until=until, times=time, rtol=rtol)
    theirs = run.raw.columns(tuple(name.lower() for name in (*netlist.nodes, *netlist.states)))
    difference = np.abs(theirs - native.values)
    nodes = native.values[:, : native.nodes]
    scale = float(np.ptp(nodes)) if nodes.size else 0.0
    if scale == 0.0:
        scale = 1.0
    error = difference.max(axis=0, initial=0.0) / scale
    for k in range(native.nodes, len(native.names)):  # inner states have units of their own
        span = float(np.ptp(native.values[:, k]))
        error[k] *= scale / (span or 1.0)
    if not np.all(np.isfinite(error)):
        bad = native.names[int(np.flatnonzero(~np.isfinite(error))[0])]
        raise SimulatorFailed("nonfinite", Diagnostic("KC0602", f"the waveform of `{bad}` is not finite"))
    return Attempt(max_step, len(time), error, theirs[-1], run.seconds, run.warnings), native.names, scale, native.method
