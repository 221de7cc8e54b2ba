"""A network of `ShiftRelu1` devices as columns, for forms of it in other libraries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import kcompile as kc


@dataclass(frozen=True, eq=False)
class ReluEdges:
    """dx/dt of both ends of an edge: gain * relu(x[start] - x[stop] - shift), out of start and into stop.

    start, stop: int32[edges], sorted by stop; shift in volts and gain, over the one capacitance, in 1/s: float64[edges].
    """

    nodes: int
    start: np.ndarray
    stop: np.ndarray
    shift: np.ndarray
    gain: np.ndarray

    @staticmethod
    def of(circuit: kc.Circuit, ends: np.ndarray) -> ReluEdges:
        """From what `backends.network` returns."""
        values = circuit.parameters()
        shift, gain = (values[name] for name in circuit.trainable())
        order = np.argsort(ends[1], kind="stable")
        start, stop = ends[:, order].astype(np.int32)
        return ReluEdges(len(circuit.inputs), start, stop, shift[order], gain[order] / values["Capacitor[0].c"][0])
