"""How many steps an outside simulator takes: enough for the tolerance, for edges of waveforms, and for the fastest ringing."""

from __future__ import annotations

import itertools

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.sim.pack import System
from kcompile.sim.waveform import smooth_pieces

MIN_STEPS = 200
MAX_STEPS = 400_000
MAX_UNKNOWNS = 500
"""Unknowns up to which the eigenvalues of a circuit are computed, as those of a dense matrix."""

_SEEN_PHASE = 0.3
"""Radians that an oscillation may be late at the end for its error to shrink as the square of the step from there on."""


def first_count(circuit: Circuit, until: float, tolerance: float) -> int:
    """Steps of the first run: a few for the tolerance, and enough to see the shortest edge of a waveform."""
    count = float(np.clip(0.5 / np.sqrt(tolerance), MIN_STEPS, 5_000))
    shortest = float(smooth_pieces(circuit, until).min())
    return int(min(max(count, 4 * until / shortest), MAX_STEPS / 8))


def resolving_count(circuit: Circuit, until: float) -> int:
    """Steps that resolve the fastest oscillation at the initial voltages, 0 where nothing rings or the circuit is large.

    The trapezoidal rule turns an oscillation of `w` radians per second slower by the part (w h)^2 / 12 at a step of h. Until
    w until (w h)^2 / 12 is small, the error is that of another phase altogether, and a shorter step does not show in it.
    """
    system = System(circuit)
    if not 0 < system.size <= MAX_UNKNOWNS:
        return 0
    starts = itertools.accumulate((phase.duration for phase in circuit.phases[:-1]), initial=0.0)
    fastest = 0.0
    for k, start in enumerate(starts):
        jacobian = system.jacobian(k, start, system.initial).toarray()
        if np.all(np.isfinite(jacobian)):
            fastest = max(fastest, float(np.abs(np.linalg.eigvals(jacobian).imag).max()))
    turns = fastest * until
    return int(min(turns * np.sqrt(turns / (12 * _SEEN_PHASE)), MAX_STEPS))
