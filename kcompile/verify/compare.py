"""Native waveforms against an outside simulator's, at two step sizes, with the error of every node shown."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kcompile.diagnostics import Diagnostic, SimulatorFailed, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Netlist
from kcompile.sim.integrate import simulate
from kcompile.verify.deck import Deck, deck_of
from kcompile.verify.judge import Run
from kcompile.verify.steps import MAX_STEPS, first_count, resolving_count

REFERENCE_RTOL = 1e-10
DEFAULT_TOLERANCE = 1e-4
MAX_FACTOR = 16
JUMP = 8
"""How much shorter the steps are of the run that decides whether a difference is one of step size."""

MAX_VALUES = 60_000_000
"""Recorded values (points times waveforms) up to which the step is still halved."""

INSTANTS = 501
MAX_SAMPLES = 4_000_000
"""Values (instants times waveforms) that are kept of a run to compare tools with each other."""


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
    drift: np.ndarray
    """float64[instants, names]: signed distance from the native waveform at equal instants, relative to full scale."""

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


@dataclass(frozen=True)
class Agreement:
    """Outcome of a verification by several tools, in the order asked for; it passes where every one does."""

    reports: tuple[Report, ...]

    @property
    def passed(self) -> bool:
        return all(report.passed for report in self.reports)

    @property
    def pairs(self) -> tuple[tuple[str, str, np.ndarray], ...]:
        """(tool, other tool, float64[names]): largest distance between the two, at instants where both are interpolated.

        What is interpolated is their distance from the native waveform, which is small and smooth.
        """
        found = []
        for one, other in itertools.combinations(self.reports, 2):
            distance = np.abs(one.attempts[-1].drift - other.attempts[-1].drift)
            found.append((one.tool, other.tool, distance.max(axis=0, initial=0.0)))
        return tuple(found)


class Simulator(Protocol):
    """Lowers a circuit to what it runs, and runs that deck up to a time; the netlist says which vectors to expect.

    `version` names the program that answers.
    """

    name: str

    def version(self) -> str: ...

    def lower(self, circuit: Circuit, options: BenchOptions) -> Netlist: ...

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run: ...


def compare_all(circuit: Circuit, simulators: Sequence[Simulator], *, until: float | None, tolerance: float,
                rtol: float = REFERENCE_RTOL) -> Agreement:
    """Agreement of native and several simulators; raises `ToolMissing` before any of them runs."""
    for simulator in simulators:
        simulator.version()
    return Agreement(tuple(compare(circuit, one, until=until, tolerance=tolerance, rtol=rtol) for one in simulators))


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
    count = steps or first_count(circuit, until, tolerance)
    attempts: list[Attempt] = []
    patience, jumped = 2, False
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
            needed = 1.2 * (attempt.worst / tolerance) ** (1 / min(max(order, 1.0), 2.5))
            factor = int(np.clip(np.ceil(needed), 2, MAX_FACTOR))
            if patience == 0:
                # Nor do steps longer than undamped ringing or than a transition of nanoseconds: before the verdict one run
                # has much shorter steps, and its fastest turn is resolved in both of the last two.
                resolving = resolving_count(circuit, until)
                if jumped and until / attempts[-2].max_step >= resolving:
                    return report
                jumped, patience, factor = True, 1, max(JUMP, -(-resolving // count))
        room = min(MAX_STEPS // count, MAX_VALUES // (attempt.points * len(names)))
        if room < 2 and len(attempts) > 1:
            return report
        count *= max(min(factor, room), 2)


def _attempt(circuit: Circuit, simulator: Simulator, until: float, max_step: float, spice_rtol: float, rtol: float):
    netlist = simulator.lower(circuit, BenchOptions(until=until, max_step=max_step, rtol=spice_rtol))
    run = simulator(deck_of(circuit.name, netlist.artifacts), netlist, until)
    # The native solution is evaluated at their instants, so no interpolation of theirs enters the error.
    time = np.minimum(run.raw.time, until)
    native = simulate(circuit, until=until, times=time, rtol=rtol)
    theirs = run.raw.columns(tuple(name.lower() for name in (*netlist.nodes, *netlist.states)))
    nodes = native.values[:, : native.nodes]
    scale = float(np.ptp(nodes)) if nodes.size else 0.0
    scales = np.full(len(native.names), scale or 1.0)
    # Inner states have units of their own.
    spans = np.ptp(native.values[:, native.nodes :], axis=0)
    scales[native.nodes :] = np.where(spans > 0, spans, 1.0)
    distance = (theirs - native.values) / scales
    error = np.abs(distance).max(axis=0, initial=0.0)
    if not np.all(np.isfinite(error)):
        bad = native.names[int(np.flatnonzero(~np.isfinite(error))[0])]
        raise SimulatorFailed("nonfinite", Diagnostic("KC0602", f"the waveform of `{bad}` is not finite"))
    drift = _at_instants(time, distance, until)
    return (Attempt(max_step, len(time), error, theirs[-1], run.seconds, run.warnings, drift), native.names, scale or 1.0,
            native.method)


def _at_instants(time: np.ndarray, values: np.ndarray, until: float) -> np.ndarray:
    """Rows of float64[points, names] at equal instants from 0 to `until`, between the points by straight lines."""
    count = max(2, min(INSTANTS, MAX_SAMPLES // max(values.shape[1], 1)))
    instants = np.linspace(0.0, until, count)
    after = np.clip(np.searchsorted(time, instants), 1, len(time) - 1)
    part = np.clip((instants - time[after - 1]) / np.maximum(time[after] - time[after - 1], 1e-300), 0.0, 1.0)[:, None]
    return (1.0 - part) * values[after - 1] + part * values[after]
