"""A waveform of a program on the clock of a chip: it stands still while nodes are loaded, between slices and during the read-out.

Lines between samples replace what is curved, with samples so close that lines are off by no more than `SAMPLING`.
"""

from __future__ import annotations

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Wave
from kcompile.lower.clocks import Clocks
from kcompile.lower.frame import Source
from kcompile.sim.waveform import MAX_CORNERS, Sources

SAMPLING = 1e-4
"""Of the height of a waveform, by which a line between two samples is off at most."""
FIRST = 8
"""Samples to begin with: of a period, or of a piece without."""
WITHIN = np.array([0.25, 0.5, 0.75])
"""Places between two samples at which a line is compared with the waveform; one alone could be where they cross."""


def drive_on_chip(source: Source, clocks: Clocks) -> Source:
    """The source of a chip that says in each time slice what the program says then; a constant stays one.

    Raises `UsageError` KC0503 for a waveform of more than 100,000 samples.
    """
    if source.kind == "dc":
        return source
    waves = Sources(Wave(source.kind, source.finite[None]))
    times, values = [np.zeros(1)], [waves.values(np.zeros(1))[0]]
    starts = np.concatenate([[0.0], np.cumsum(clocks.slices)])
    corners = waves.corners(float(starts[-1]))
    for begin, start, stop in zip(clocks.begins.tolist(), starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        edges = np.concatenate([[start], corners[(corners > start) & (corners < stop)], [stop]])
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            at = _samples(source, waves, first, last)
            times.append(begin + at - start)
            values.append(waves.values(at)[0])
    at, volts = np.concatenate(times), np.concatenate(values)
    kept = np.diff(at, prepend=-1.0) > 0
    return Source(source.label, source.node, "pwl", np.stack([at[kept], volts[kept]], axis=1).ravel())


def _samples(source: Source, waves: Sources, first: float, last: float) -> np.ndarray:
    """Instants from one corner to the next, close enough for lines between them, float64 seconds."""
    if source.kind in ("pwl", "pulse"):
        return np.array([first, last])
    periods = (last - first) * source.finite[2] if source.kind == "sin" else 1.0
    at = np.linspace(first, last, _limited(source, FIRST * np.ceil(periods) + 1))
    height = np.ptp(waves.values(at)) or 1.0
    while True:
        inside = at[:-1, None] + np.diff(at)[:, None] * WITHIN
        ends = waves.values(at)[0]
        lines = ends[:-1, None] + np.diff(ends)[:, None] * WITHIN
        off = np.abs(waves.values(inside.ravel())[0].reshape(inside.shape) - lines).max(axis=1) > SAMPLING * height
        if not off.any():
            return at
        at = np.sort(np.concatenate([at, inside[off, 1]]))
        _limited(source, len(at))


def _limited(source: Source, count: float) -> int:
    if count > MAX_CORNERS:
        raise UsageError(Diagnostic("KC0503", f"the {source.kind} at `{source.node}` takes {count:,.0f} samples on the clock of "
                                    f"a chip; {MAX_CORNERS:,} are taken at most", hint="is the unit of the frequency right?"))
    return int(count)
