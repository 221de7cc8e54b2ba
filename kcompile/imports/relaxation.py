"""How far a right-hand side with hidden layers that follow within tau is from the right-hand side itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kcompile.imports.stack import Layer

MAX_MEASURED = 512
"""States and hidden units past which the error is not measured."""

STARTS = 4
_RTOL = 1e-8


def measured(layers: Sequence[Layer], until: float, tau: float) -> str:
    """Sentence with the largest error of the states over `until` seconds, from a few normal starts."""
    what = f"hidden layers follow within tau = {tau:g} s; the error of the states is in proportion to tau"
    if sum(len(layer.weight) for layer in layers) > MAX_MEASURED:
        return f"{what}, and is not measured for more than {MAX_MEASURED} states and hidden units"
    starts = np.random.default_rng(0).normal(size=(STARTS, layers[0].weight.shape[1]))
    errors = [_error(layers, start, until, tau) for start in starts]
    if None in errors:
        return f"{what}, and could not be measured: from a normal start the states grow without bound"
    worst = max(error for error in errors if error is not None)
    return f"{what}: {worst:.1e} of full scale at most, from {STARTS} normal starts over {until:g} s"


def _error(layers: Sequence[Layer], start: np.ndarray, until: float, tau: float) -> float | None:
    """Largest difference of the states over time, relative to their largest minus smallest value; None without a solution."""
    import scipy.integrate

    ends = np.cumsum([len(start), *(len(layer.weight) for layer in layers[:-1])])

    def exact(_: float, x: np.ndarray) -> np.ndarray:
        for layer in layers:
            x = layer(x)
        return x

    def relaxing(_: float, y: np.ndarray) -> np.ndarray:
        values = np.split(y, ends[:-1])
        rates = [(layer(value) - target) / tau for layer, value, target in zip(layers, values, values[1:], strict=False)]
        return np.concatenate([layers[-1](values[-1]), *rates])

    settled = [start]
    for layer in layers[:-1]:
        settled.append(layer(settled[-1]))
    times = np.linspace(0.0, until, 51)
    found = []
    for rates, first in ((exact, start), (relaxing, np.concatenate(settled))):
        with np.errstate(all="ignore"):
            solution = scipy.integrate.solve_ivp(rates, (0.0, until), first, "LSODA", times, rtol=_RTOL, atol=_RTOL)
        if not solution.success or not np.all(np.isfinite(solution.y)):
            return None
        found.append(solution.y[: len(start)])
    return float(np.abs(found[1] - found[0]).max() / (np.ptp(found[0]) or 1.0))
