"""How fast a circuit can be in any of its states: the bound that explicit steps keep to, whatever ramps switch on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from kcompile.ir.bounds import Bounds, bound, everywhere, exactly
from kcompile.ir.expr import Expression
from kcompile.ir.waves import extent
from kcompile.sim.pack import Group, Slice, System

_SWEEPS = 32
_PIECES = 16
_LEAST = 1e-6
"""Smallest weight of an unknown against the largest one."""


@dataclass(frozen=True, eq=False)
class Stability:
    """Steps of a method against the rates of a circuit, one value for each time slice.

    rates: largest magnitude that an eigenvalue of d(dy/dt)/dy can have, per second, inf where nothing bounds it; steps:
    longest step taken, in seconds; reach: steps times rate up to which the method is stable on the negative real axis.
    """

    rates: np.ndarray
    steps: np.ndarray
    reach: float

    @property
    def longest(self) -> np.ndarray:
        """float64[slices]: seconds up to which a step is stable in every state; inf where any is."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((self.rates > 0.0) & np.isfinite(self.reach), self.reach / self.rates, np.inf)

    @property
    def share(self) -> float:
        """Largest part that a step takes of the longest stable one; above 1 nothing is proved."""
        with np.errstate(divide="ignore"):
            return float(np.max(self.steps / self.longest))


def rate_bounds(system: System, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """float64[slices], per second: bound of the spectral radius of the Jacobian over all states, inf where there is none.

    lower, upper: float64[nodes], volts between which nodes are; driven nodes keep to their waveforms, inner states may have
    any value. Every partial derivative is bounded by intervals, where that of a ramp is 0 to its slope; the matrix of the
    largest magnitudes is then bounded by the ratio of Collatz and Wielandt, max (M u) / u for a positive u, which is Gershgorin's
    row sum for u = 1, and smaller for better weights (R. A. Horn, C. R. Johnson, Matrix Analysis, theorem 8.1.26).
    """
    lower, upper = lower.copy(), upper.copy()
    lower[0] = upper[0] = 0.0
    for stimulus in system.circuit.stimuli:
        lower[stimulus.nodes], upper[stimulus.nodes] = extent(stimulus.wave.kind, stimulus.wave.arguments)
    known = {id(group): _partials(group, lower, upper) for group in system.groups}
    inverse = _inverse_capacitance(system)
    return np.array([_radius(abs(inverse) @ _largest(system, part, [known[id(group)] for group in part.groups]))
                     for part in system.slices])


def _partials(group: Group, lower: np.ndarray, upper: np.ndarray) -> list[Bounds]:
    """Bounds float64[count] of each partial derivative of a group."""
    known = {f"V({name})": (lower[group.ends[:, k]], upper[group.ends[:, k]]) for k, name in enumerate(group.model.terminals)}
    known |= {state.name: everywhere() for state in group.model.states}
    known |= {param.name: exactly(np.concatenate([table.params[param.name] for table in group.tables]))
              for param in group.model.params if param.waveform is None}
    for name, rows, sources in group.waves:
        low, high = known.setdefault(name, (np.zeros(group.count), np.zeros(group.count)))
        low[rows], high[rows] = extent(sources.wave.kind, sources.wave.arguments)
    return [_in_pieces(one, known, group.count) for one in group.kernels.derivatives]


def _in_pieces(derivative: Expression, known: dict[str, Bounds], count: int) -> Bounds:
    """Bounds float64[count]; piece by piece where a derivative reads one voltage, so that two ramps apart are not on at once."""
    read = [one.name for one in derivative.free_symbols if one.name.startswith("V(")]
    low, high = known[read[0]] if len(read) == 1 else everywhere()
    if np.all(np.isfinite(low) & np.isfinite(high)) and len(read) == 1:
        ends = np.linspace(low, high, _PIECES + 1)
        known = known | {read[0]: (ends[:-1], ends[1:])}
    lower, upper = (np.atleast_1d(end) for end in bound(derivative, known))
    return (np.broadcast_to(lower, (*lower.shape[:-1], count)).reshape(-1, count).min(axis=0),
            np.broadcast_to(upper, (*upper.shape[:-1], count)).reshape(-1, count).max(axis=0))


def _largest(system: System, part: Slice, known: list[list[Bounds]]) -> scipy.sparse.csr_array:
    """Largest magnitude of each entry of the Jacobian of flows, [size, size]; parallel devices add up before it is taken."""
    lower, upper = (np.concatenate([one[k] for bounds in known for one in bounds] or [np.zeros(0)])[part.jacobian_sources]
                    for k in (0, 1))
    down, up = (np.where(part.jacobian_signs > 0, a, -b) for a, b in ((lower, upper), (upper, lower)))
    low, high = (np.bincount(part.jacobian_order, values, minlength=len(part.jacobian_keys)) for values in (down, up))
    place = (part.jacobian_keys % system.size, part.jacobian_keys // system.size)
    return scipy.sparse.csr_array((np.maximum(np.abs(low), np.abs(high)), place), shape=(system.size, system.size))


def _inverse_capacitance(system: System) -> scipy.sparse.csr_array:
    """[size, size], between unknowns."""
    starts, entries, values = system.inverse_capacitance()
    count = len(starts) - 1
    whole = scipy.sparse.csr_array((values, np.arange(count) if entries is None else entries, starts), shape=(count, count))
    rows = np.concatenate([system.free, np.arange(system.circuit.nodes.count, count)])
    return scipy.sparse.csr_array(whole[rows][:, rows])


def _radius(matrix: scipy.sparse.csr_array) -> float:
    """Upper bound of the spectral radius of a matrix without negative entries."""
    if not np.all(np.isfinite(matrix.data)):
        return np.inf
    weights, found = np.ones(matrix.count_nonzero(axis=1).shape), np.inf
    for _ in range(_SWEEPS):
        image = matrix @ weights
        found = min(found, float(np.max(image / weights, initial=0.0)))
        if not found:
            break
        image /= image.max()
        weights = np.maximum(0.5 * (image + weights), _LEAST)  # the mean, because a matrix may swap two unknowns for ever
    return found
