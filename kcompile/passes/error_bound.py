"""How far the rates dv/dt and dz/dt of a circuit can move when the currents of its devices do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kcompile.ir.bounds import Bounds, bound, everywhere, exactly
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.expr import Expression
from kcompile.ir.structure import capacitance_matrix
from kcompile.ir.waves import extent


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds of every node voltage, float64[nodes] each, in volts, and of inner states, float64[n, states] by bank."""

    lower: np.ndarray
    upper: np.ndarray
    states: Mapping[str, Bounds] = field(default_factory=dict)

    def known(self, table: InstanceTable) -> dict[str, Bounds]:
        """Bounds of every symbol of a law, per instance of a bank; parameters have their values."""
        found = {f"V({name})": (self.lower[table.nodes[:, k]], self.upper[table.nodes[:, k]])
                 for k, name in enumerate(table.model.terminals)}
        low, high = self.states.get(table.bank, (None, None))
        found |= {state.name: everywhere() if low is None or high is None else (low[:, k], high[:, k])
                  for k, state in enumerate(table.model.states)}
        found |= {name: exactly(column) for name, column in table.params.items()}
        return found | {name: extent(wave.kind, wave.arguments) for name, wave in table.waves.items()}

    def largest(self, table: InstanceTable, expr: Expression) -> np.ndarray:
        """float64[n]: bound of the magnitude of an expression, per instance."""
        low, high = bound(expr, self.known(table))
        return np.broadcast_to(np.maximum(np.abs(low), np.abs(high)), (table.count,))


def swing_box(circuit: Circuit, swing: float) -> Box:
    """Free nodes within +-swing volts, driven ones within what their waveforms do."""
    lower, upper = np.full(circuit.nodes.count, -swing), np.full(circuit.nodes.count, swing)
    lower[0] = upper[0] = 0.0
    for stimulus in circuit.stimuli:
        lower[stimulus.nodes], upper[stimulus.nodes] = extent(stimulus.wave.kind, stimulus.wave.arguments)
    return Box(lower, upper)


class ErrorBound:
    """Adds up bounds of current errors; `rates` turns them into bounds of the right-hand side."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._currents: dict[int | None, np.ndarray] = {}
        self._states: dict[int, np.ndarray] = {}

    def add(self, table: InstanceTable, start: str, stop: str, amperes: np.ndarray) -> None:
        """An error of at most `amperes`, float64[n], in a branch of a bank."""
        sums = self._currents.setdefault(table.phase, np.zeros(self._circuit.nodes.count))
        for end in (start, stop):
            if end != "gnd":
                sums += np.bincount(table.nodes[:, table.model.terminals.index(end)], amperes, minlength=len(sums))

    def add_state(self, table: InstanceTable, state: int, per_second: np.ndarray) -> None:
        """An error of at most `per_second`, float64[n], in the rate of an inner state of a bank."""
        found = self._states.setdefault(id(table), np.zeros((table.count, len(table.model.states))))
        found[:, state] += per_second

    @property
    def current(self) -> float:
        """Largest error of the current into a node, in ampere."""
        return float(self._worst().max(initial=0.0))

    def rates(self) -> np.ndarray:
        """float64[unknowns]: volts per second of each free node, then units per second of each inner state."""
        import scipy.sparse.linalg

        free = self._circuit.free
        worst = self._worst()[free]
        matrix = scipy.sparse.csc_array(capacitance_matrix(self._circuit)[free][:, free])
        diagonal = matrix.diagonal()
        if matrix.nnz == np.count_nonzero(diagonal):
            nodes = worst / diagonal if len(free) else worst
        else:
            nodes = abs(scipy.sparse.csc_array(scipy.sparse.linalg.inv(matrix))) @ worst
        states = [self._states.get(id(table), np.zeros((table.count, len(table.model.states)))).ravel()
                  for table in self._circuit.tables]
        return np.concatenate([nodes, *states])

    def _worst(self) -> np.ndarray:
        """float64[nodes]: largest error over the phases."""
        zero = np.zeros(self._circuit.nodes.count)
        phases = [sums for phase, sums in self._currents.items() if phase is not None]
        return self._currents.get(None, zero) + np.max([zero, *phases], axis=0)


def known_between(known: Mapping[str, Bounds], moved: Mapping[str, np.ndarray]) -> dict[str, Bounds]:
    """Bounds that also hold for other values of some symbols."""
    return {**known, **{name: (np.minimum(known[name][0], values), np.maximum(known[name][1], values))
                        for name, values in moved.items()}}
