"""Waveforms of sources as functions of time: value, rate, and the instants where the rate jumps.

The formulas are SPICE's (PULSE, SIN, PWL, EXP), so that both simulators see one source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit, Wave

MAX_CORNERS = 100_000


@dataclass(frozen=True, eq=False)
class Sources:
    """Waveforms of one kind, evaluated together."""

    wave: Wave

    def value(self, time: float) -> np.ndarray:
        """float64[n] at a time in seconds."""
        return _VALUE[self.wave.kind](self.wave.arguments.T, time)

    def values(self, times: np.ndarray) -> np.ndarray:
        """float64[n, times], at times float64[times]."""
        values = _VALUE[self.wave.kind](self.wave.arguments.T[..., None], times)
        return np.broadcast_to(values, (len(self.wave.arguments), len(times))).copy()

    def rates(self, times: np.ndarray, ahead: float) -> np.ndarray:
        """float64[n, times], as `rate`; all times are in one smooth piece."""
        rates = _RATE[self.wave.kind](self.wave.arguments.T[..., None], times, ahead)
        return np.broadcast_to(rates, (len(self.wave.arguments), len(times))).copy()

    def rate(self, time: float, ahead: float) -> np.ndarray:
        """float64[n], derivative per second within a smooth piece that contains `time`; `ahead` is inside that piece.

        At a corner the two one-sided rates differ; `ahead` says which piece is meant.
        """
        return _RATE[self.wave.kind](self.wave.arguments.T, time, ahead)

    def next_extreme(self, time: float) -> float:
        """The first instant after a time at which a sine turns round, in seconds; inf where there is none."""
        if self.wave.kind != "sin":
            return np.inf
        _, _, frequency, delay, damping, phase = self.wave.arguments[self.wave.arguments[:, 2] > 0.0].T
        omega = 2 * np.pi * frequency
        first = delay + (np.arctan2(omega, damping) - np.deg2rad(phase)) / omega
        half = 0.5 / frequency
        after = np.maximum(time, delay)
        return float(np.min(first + (np.floor((after - first) / half + 1e-6) + 1) * half, initial=np.inf))

    def corners(self, stop: float) -> np.ndarray:
        """Instants in (0, stop) at which a rate jumps, sorted, float64."""
        times, again = edges(self.wave)
        once = np.isinf(again)
        repeated = [_repeats(first, period, stop) for first, period in np.unique([times[~once], again[~once]], axis=1).T]
        every = np.unique(np.concatenate([times[once], *repeated]))
        return every[(every > 0) & (every < stop)]


def edges(wave: Wave) -> np.ndarray:
    """float64[2, n]: instants at which a rate jumps, and the seconds after which each comes again, inf where it does not."""
    a = wave.arguments.T
    again = np.full((1, a.shape[1]), np.inf)
    if wave.kind == "pulse":
        _, _, delay, rise, fall, width, period = a
        times, again = delay + np.stack([0.0 * rise, rise, rise + width, rise + width + fall]), period[None]
    else:
        times = {"dc": a[:0], "sin": a[3:4], "exp": a[2:5:2], "pwl": a[::2]}[wave.kind]
    found = np.stack([times.ravel(), np.broadcast_to(again, times.shape).ravel()])
    return found[:, np.isfinite(found[0])]


def smooth_pieces(circuit: Circuit, until: float) -> np.ndarray:
    """Seconds between neighbouring corners of a circuit's sources, from 0 to `until`, float64; none of rounding only."""
    waves = [stimulus.wave for stimulus in circuit.stimuli] + [wave for table in circuit.tables for wave in table.waves.values()]
    pieces = np.diff(np.unique(np.concatenate([[0.0, until], *(Sources(wave).corners(until) for wave in waves)])))
    return pieces[pieces > 1e-9 * until]


def _pulse_phase(a: np.ndarray, time: float | np.ndarray) -> np.ndarray:
    since = time - a[2]
    period = a[6]
    with np.errstate(invalid="ignore"):
        return np.where((since >= 0) & np.isfinite(period), np.mod(since, np.where(np.isfinite(period), period, 1.0)), since)


def _pulse(a: np.ndarray, time: float | np.ndarray) -> np.ndarray:
    v1, v2, _, rise, fall, width, _ = a
    s = _pulse_phase(a, time)
    up = v1 + (v2 - v1) * np.clip(s / rise, 0.0, 1.0)
    # The top may last for ever; inf - inf must not appear.
    down = np.where(np.isfinite(width), np.clip((s - rise - np.where(np.isfinite(width), width, 0.0)) / fall, 0.0, 1.0), 0.0)
    return up + (v1 - v2) * down


def _pulse_rate(a: np.ndarray, time: float | np.ndarray, ahead: float) -> np.ndarray:
    v1, v2, _, rise, fall, width, _ = a
    s = _pulse_phase(a, ahead)
    top = rise + width
    return np.where((s > 0) & (s < rise), (v2 - v1) / rise, np.where((s > top) & (s < top + fall), (v1 - v2) / fall, 0.0))


def _sin(a: np.ndarray, time: float | np.ndarray) -> np.ndarray:
    offset, amplitude, frequency, delay, damping, phase = a
    since = np.maximum(time - delay, 0.0)
    return offset + amplitude * np.exp(-since * damping) * np.sin(2 * np.pi * frequency * since + np.deg2rad(phase))


def _sin_rate(a: np.ndarray, time: float | np.ndarray, ahead: float) -> np.ndarray:
    _, amplitude, frequency, delay, damping, phase = a
    since = np.maximum(time - delay, 0.0)
    angle = 2 * np.pi * frequency * since + np.deg2rad(phase)
    rate = amplitude * np.exp(-since * damping) * (2 * np.pi * frequency * np.cos(angle) - damping * np.sin(angle))
    return np.where(ahead > delay, rate, 0.0)


def _exp(a: np.ndarray, time: float | np.ndarray) -> np.ndarray:
    v1, v2, rise_delay, rise_tau, fall_delay, fall_tau = a
    up = -np.expm1(-np.maximum(time - rise_delay, 0.0) / rise_tau)
    down = -np.expm1(-np.maximum(time - fall_delay, 0.0) / fall_tau)
    return v1 + (v2 - v1) * up + (v1 - v2) * down


def _exp_rate(a: np.ndarray, time: float | np.ndarray, ahead: float) -> np.ndarray:
    v1, v2, rise_delay, rise_tau, fall_delay, fall_tau = a
    up = np.where(ahead > rise_delay, np.exp(-np.maximum(time - rise_delay, 0.0) / rise_tau) / rise_tau, 0.0)
    down = np.where(ahead > fall_delay, np.exp(-np.maximum(time - fall_delay, 0.0) / fall_tau) / fall_tau, 0.0)
    return (v2 - v1) * (up - down)


def _pwl_piece(a: np.ndarray, time: float | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Index of the last point at or before `time` (-1 before the first), and the times and values of that point and the next."""
    times, values = a[::2], a[1::2]
    k = (times <= time).sum(axis=0) - 1
    here, there = (np.clip(k + ahead, 0, len(times) - 1)[None] for ahead in (0, 1))

    def pick(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
        return np.take_along_axis(np.broadcast_to(rows, (len(rows), *k.shape)), index, axis=0)[0]

    return k, pick(times, here), pick(times, there), pick(values, here), pick(values, there)


def _pwl(a: np.ndarray, time: float | np.ndarray) -> np.ndarray:
    k, begin, end, first, last = _pwl_piece(a, time)
    part = np.clip((time - begin) / np.where(end > begin, end - begin, 1.0), 0.0, 1.0)
    return np.where(k < 0, a[1], first + (last - first) * part)


def _pwl_rate(a: np.ndarray, time: float | np.ndarray, ahead: float) -> np.ndarray:
    k, begin, end, first, last = _pwl_piece(a, ahead)
    return np.where((k < 0) | (k >= len(a) // 2 - 1), 0.0, (last - first) / np.where(end > begin, end - begin, 1.0))


_VALUE = {"dc": lambda a, time: np.array(a[0]), "pulse": _pulse, "sin": _sin, "exp": _exp, "pwl": _pwl}
_RATE = {"dc": lambda a, time, ahead: np.zeros(a.shape[1:]), "pulse": _pulse_rate, "sin": _sin_rate, "exp": _exp_rate,
         "pwl": _pwl_rate}


def _repeats(first: float, period: float, stop: float) -> np.ndarray:
    """Instants up to `stop` of an edge that comes again and again."""
    count = max((stop - first) / period, 0.0)
    if 4 * count > MAX_CORNERS:
        raise UsageError(Diagnostic("KC0503", f"a pulse with a period of {period:.6g} s repeats {count:,.0f} times in "
                                    f"{stop:.6g} s; {MAX_CORNERS // 4:,} repeats are taken at most",
                                    hint="is the unit of the time right? for example --until 50ns"))
    return first + np.arange(int(count) + 1) * period
