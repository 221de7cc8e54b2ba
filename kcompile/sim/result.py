"""Named waveforms: the result of a simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, nearest


@dataclass(frozen=True, eq=False)
class Waveforms:
    """time: float64[points] in seconds; values: float64[points, names], volts for nodes, own units for inner states.

    `nodes` of the names are nodes, the rest inner states. `method` says per slice how it was integrated and why.
    """

    time: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    nodes: int
    method: tuple[str, ...]
    outputs: tuple[str, ...]

    def __getitem__(self, name: str) -> np.ndarray:
        """Waveform of one node or state, float64[points]; raises `UsageError` KC0502 for an unknown name."""
        if name not in self.names:
            raise UsageError(Diagnostic("KC0502", f"there is no waveform `{name}`", hint=nearest(name, self.names)))
        return self.values[:, self.names.index(name)]

    @property
    def read_out(self) -> np.ndarray:
        """float64[outputs]: voltages of the output nodes at the end."""
        return np.array([self[name][-1] for name in self.outputs])
