"""Native waveforms against an outside simulator's, at two step sizes, with the error of every node shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import SimulatorFailed
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.spice import Netlist, build_netlist
from kcompile.sim.integrate import simulate
from kcompile.verify.deck import Deck
from kcompile.verify.run_ngspice import Run

REFERENCE_RTOL = 1e-10
MIN_STEPS = 500
MAX_STEPS = 200_000
MAX_VALUES = 60_000_000
"""Recorded values (points times waveforms) up to which the step is still halved."""


@dataclass(frozen=True)
class Attempt:
    """One run of the outside simulator: its largest step in seconds, and its error."""

    max_step: float
    points: int
    error: np.ndarray
    """float64[names]: largest distance from the native waveform, relative to full scale."""
    seconds: float
    warnings: tuple[str, ...]

    @property
    def worst(self) -> float:
        return float(self.error.max(initial=0.0))


@dataclass(frozen=True)
class Report:
    """Outcome of a verification.

    full_scale: volts, largest minus smallest node voltage of the native reference (1 when nothing moves); attempts:
    coarse first; order: observed order of convergence between the last two.
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
        """log2 of the ratio of the last two errors; None where both are at the floor of rounding."""
        coarse, fine = self.attempts[-2].worst, self.attempts[-1].worst
        return float(np.log2(coarse / fine)) if fine > 1e-12 and coarse > 0 else None


Simulator = Callable[[Deck, Netlist, float], Run]
"""Runs a deck up to a time; the netlist says which vectors to expect."""


def compare(circuit: Circuit, simulator: Simulator, tool: str, *, until: float | None, tolerance: float,
            rtol: float = REFERENCE_RTOL, steps: int | None = None) -> Report:
    """Report of native against `simulator`; the step is halved until the tolerance is met or halving no longer helps.

    steps: number of largest steps of the first run, chosen from the tolerance by default.
    """
    until = until if until is not None else circuit.duration
    assert until is not None
    count = steps or int(np.clip(0.5 / np.sqrt(tolerance), MIN_STEPS, 5_000))
    attempts: list[Attempt] = []
    while True:
        attempt, names, scale, method = _attempt(circuit, simulator, until, until / count, min(1e-6, tolerance), rtol)
        attempts.append(attempt)
        enough = len(attempts) >= 2 and attempt.worst <= tolerance
        # Second-order steps gain a factor of four; without a gain the difference is not one of step size.
        stuck = len(attempts) >= 2 and attempt.worst > 0.7 * attempts[-2].worst
        too_long = 2 * count > MAX_STEPS or 2 * attempt.points * len(names) > MAX_VALUES
        if enough or (len(attempts) >= 2 and (stuck or too_long)):
            return Report(circuit.name, tool, names, scale, tolerance, tuple(attempts), method)
        count *= 2


def _attempt(circuit: Circuit, simulator: Simulator, until: float, max_step: float, spice_rtol: float, rtol: float):
    netlist = build_netlist(circuit, BenchOptions(until=until, max_step=max_step, rtol=spice_rtol))
    deck = Deck(f"{circuit.name}_tb.cir", {a.name: a.text for a in netlist.artifacts if not a.name.endswith(".json")})
    run = simulator(deck, netlist, until)
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
        raise SimulatorFailed("nonfinite")
    return Attempt(max_step, len(time), error, run.seconds, run.warnings), native.names, scale, native.method
