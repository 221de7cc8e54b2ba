"""The steps of a run with fixed steps: where each begins, how long it is, and which time slice it belongs to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.sim.tableau import Tableau
from kcompile.sim.waveform import Sources, smooth_pieces

MAX_FIXED_STEPS = 1_000_000


@dataclass(frozen=True, eq=False)
class Schedule:
    """Steps in order: slices int32[steps], starts float64[steps] and lengths float64[steps] in seconds."""

    slices: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @property
    def count(self) -> int:
        return len(self.starts)

    @property
    def ends(self) -> np.ndarray:
        """float64[steps]: instants after each step, in seconds."""
        return self.starts + self.lengths

    def stage_times(self, method: Tableau) -> np.ndarray:
        """float64[steps, stages], in seconds."""
        return self.starts[:, None] + self.lengths[:, None] * method.c


def fixed_schedule(circuit: Circuit, steps: int, until: float | None = None) -> Schedule:
    """Schedule with at least `steps` equal steps in every time slice; none reaches over a corner of a waveform.

    until: seconds, needed without phases and refused with them. Raises `UsageError` KC0503, KC0508.
    """
    if not isinstance(steps, int | np.integer) or steps < 1:
        raise UsageError(Diagnostic("KC0503", f"a time slice has a whole number of steps, at least one, not {steps!r}"))
    if steps > MAX_FIXED_STEPS:
        raise UsageError(Diagnostic("KC0503", f"{steps:,} steps are more than {MAX_FIXED_STEPS:,}"))
    if circuit.duration is None and until is None:
        raise UsageError(Diagnostic("KC0508", "the circuit has no phases, so the time to simulate must be given",
                                    hint="for example until=50e-9"))
    if circuit.duration is not None and until is not None and not np.isclose(until, circuit.duration, rtol=1e-12, atol=0.0):
        raise UsageError(Diagnostic("KC0508", f"the phases last {circuit.duration:.6g} s, {until:.6g} s are asked for"))
    end = circuit.duration if circuit.duration is not None else until
    assert end is not None
    if not (np.isfinite(end) and end > 0):
        raise UsageError(Diagnostic("KC0503", f"the time to simulate is positive, not {end!r}"))
    durations = [phase.duration for phase in circuit.phases] or [end]
    corners = np.cumsum(smooth_pieces(circuit, end))[:-1]
    slices, starts, lengths = [], [], []
    for k, (start, stop) in enumerate(itertools.pairwise(np.cumsum([0.0, *durations]))):
        inside = corners[(corners > start + 1e-9 * end) & (corners < stop - 1e-9 * end)]
        for a, b in itertools.pairwise([start, *inside, stop]):
            count = int(np.ceil(steps * (b - a) / (stop - start) * (1 - 1e-12)))
            slices.append(np.full(count, k, dtype=np.int32))
            starts.append(a + (b - a) * np.arange(count) / count)
            lengths.append(np.full(count, (b - a) / count))
    total = sum(map(len, slices))
    if total > MAX_FIXED_STEPS:
        raise UsageError(Diagnostic("KC0503", f"{total:,} steps are more than {MAX_FIXED_STEPS:,}"))
    return Schedule(np.concatenate(slices), np.concatenate(starts), np.concatenate(lengths))


def stage_values(sources: Sources, times: np.ndarray) -> np.ndarray:
    """float64[steps, stages, n]: values of waveforms at the times of the stages."""
    return np.stack([np.stack([sources.value(float(time)) for time in row]) for row in times])
