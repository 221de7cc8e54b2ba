"""Waveforms as files: CSV for people and scripts, NPZ for numpy."""

from __future__ import annotations

import csv
import io

import numpy as np

from kcompile.sim.result import Waveforms


def to_csv(waveforms: Waveforms) -> str:
    """CSV text: header `time`, nodes, inner states; SI units in `%.17g`, so every float reads back exactly."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(["time", *waveforms.names])
    table = np.column_stack([waveforms.time, waveforms.values])
    np.savetxt(out, table, fmt="%.17g", delimiter=",")
    return out.getvalue()


def to_npz(waveforms: Waveforms) -> bytes:
    """NPZ bytes with the arrays `time` [points], `names` [n] and `values` [points, n]."""
    out = io.BytesIO()
    np.savez(out, time=waveforms.time, names=np.array(waveforms.names), values=waveforms.values)
    return out.getvalue()
