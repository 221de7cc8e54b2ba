"""Constants of a law from measured currents, and how far the law then is from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from kcompile.characterize.currents import CurrentMap
from kcompile.ir.device import DeviceModel
from kcompile.pdk.cell import Cell
from kcompile.sim.kernel import make_kernel

SOFT = 0.01
"""Part of full scale from which an error counts by its size and no more by its square, so that corners of the range do not
spoil its middle."""


Flow = Callable[[Mapping[str, float], np.ndarray, np.ndarray], np.ndarray]
"""Amperes of constants and parameters by name, and the voltages of both terminals; of one terminal, the first one."""


@dataclass(frozen=True)
class Errors:
    """Distance of a law from the currents at both terminals, and of these from each other, as parts of full scale."""

    worst: float
    most: float
    """Of 95 % of the points."""
    median: float
    imbalance: float


@dataclass(frozen=True)
class Fitted:
    """Constants of a law in SI units, and the errors that they leave."""

    constants: Mapping[str, float]
    errors: Errors


def fit_constants(cell: Cell, maps: Sequence[CurrentMap], full_scale: float, start: Mapping[str, float]) -> Fitted:
    """Constants of the law of a cell that come closest to currents; full_scale: amperes of a unit; start: first values."""
    names = tuple(start)
    known = np.array([start[name] for name in names])
    law = law_of(cell.law, names)

    def distance(factors: np.ndarray) -> np.ndarray:
        constants = dict(zip(names, known * factors, strict=True))
        parts = []
        for one in maps:
            flow = law({**constants, **cell.units(*one.units)}, one.s, one.d) / (abs(one.units[0]) * full_scale)
            parts += [flow - one.into, flow - one.out]
        return np.concatenate(parts)

    found = least_squares(distance, np.ones(len(names)), loss="soft_l1", f_scale=SOFT)
    errors = np.abs(distance(found.x))
    imbalance = max(float(one.imbalance.max()) for one in maps)
    return Fitted(dict(zip(names, (known * found.x).tolist(), strict=True)),
                  Errors(float(errors.max()), float(np.quantile(errors, 0.95)), float(np.median(errors)), imbalance))


def law_of(model: DeviceModel, names: Sequence[str]) -> Flow:
    """The current of a law from its first terminal to its second or to the supplies; `names` are the constants that are left
    open."""
    law = replace(model, constants=tuple((name, value) for name, value in model.constants if name not in names)).law
    (branch,) = law.currents
    ends = tuple(f"V({terminal})" for terminal in model.terminals)
    run = make_kernel([branch.value], ()).prepare({})

    def flow(values: Mapping[str, float], s: np.ndarray, d: np.ndarray) -> np.ndarray:
        volts = dict(zip(ends, (s, d), strict=False))
        return run({**{name: np.asarray(value) for name, value in values.items()}, **volts})[0]

    return flow
