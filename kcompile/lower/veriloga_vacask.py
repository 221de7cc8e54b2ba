"""Modules compiled to OSDI in the netlist language of VACASK."""

from __future__ import annotations

import numpy as np

from kcompile.lower.columns import number
from kcompile.lower.frame import NEVER, SLOWEST, Frame, Source
from kcompile.lower.veriloga_law import LawModule
from kcompile.sim.waveform import smooth_pieces

GAP = 1e-9
"""Part of a period by which the edges of a pulse that fills it are shortened: VACASK wants a rest."""

EDGE_PART = 0.02
"""Largest part of the edge of a gate in one step; a quarter, as VACASK does by itself, loses charge at every slice."""


class VacaskLanguage:
    """Starting voltages stand in the analysis, for every node: VACASK takes 0 V for one without."""

    name = "vacask"
    netlist = ".sim"
    bench = "_tb.sim"
    port = "%s"
    inner = "xtop:%s"
    reference = "%s"

    def instance(self, name: str, module: LawModule) -> str:
        params = [f" {param.name}=%s" for param in module.params]
        return f"n{name} ({' '.join(['%s'] * len(module.ports))}) {module.name}{''.join(params)}"

    def source(self, source: Source) -> str:
        return f"v{source.label} ({source.node} 0) vsource {_SOURCES[source.kind](source.row)}"

    def settings(self, frame: Frame) -> dict[str, str]:
        """First step of all, and the part of the time between two corners that one step may take.

        A step after a corner is one of Euler's method, so it is a tenth of the others where a corner is near the next one.
        """
        pieces = smooth_pieces(frame.circuit, frame.until)
        part = frame.step * max(0.1 / pieces.min(), 1.0 / pieces.max()) if len(pieces) > 1 else EDGE_PART
        return {"first": number(frame.step / 100), "part": number(min(part, EDGE_PART))}


LANGUAGE = VacaskLanguage()


def _dc(row: np.ndarray) -> str:
    return f"dc={number(row[0])}"


def _pulse(row: np.ndarray) -> str:
    v1, v2, delay, rise, fall, width, period = row
    if not np.isfinite(width):
        fall = width = period = 0.0  # no fall: it stays
    elif not np.isfinite(period):
        period = 0.0
    elif period <= (rise + width + fall) * (1 + GAP):
        parts = np.array([rise, width, fall])
        parts[np.argmax(parts)] -= GAP * period
        rise, width, fall = parts
    return _arguments("pulse", val0=v1, val1=v2, delay=delay, rise=rise, fall=fall, width=width, period=period)


def _sine(row: np.ndarray) -> str:
    offset, amplitude, frequency, delay, damping, phase = row
    turned = {"tdphase": phase} if phase else {}
    return _arguments("sine", sinedc=offset, ampl=amplitude, freq=max(frequency, SLOWEST), delay=delay, theta=damping, **turned)


def _exp(row: np.ndarray) -> str:
    v1, v2, rise_delay, rise_tau, fall_delay, fall_tau = row
    lasts = fall_delay - rise_delay if np.isfinite(fall_delay) else NEVER
    return _arguments("exp", val0=v1, val1=v2, delay=rise_delay, tau1=rise_tau, td2=lasts, tau2=fall_tau)


def _pwl(row: np.ndarray) -> str:
    values = [*row, row[-2] + 1.0, row[-1]] if len(row) == 2 else row  # two points at least
    return f'type="pwl" wave=[{", ".join(map(number, values))}]'


def _arguments(kind: str, **values: float) -> str:
    return " ".join([f'type="{kind}"', *(f"{name}={number(value)}" for name, value in values.items())])


_SOURCES = {"dc": _dc, "pulse": _pulse, "sin": _sine, "exp": _exp, "pwl": _pwl}
