"""Runge-Kutta methods as tables of their coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest


@dataclass(frozen=True)
class Tableau:
    """A Butcher tableau: stage i is evaluated at t + c[i] h from the rates of stages 0 to i - 1.

    `error` are the weights of the estimate of the local error, None where the method has none. `reach` is the length of the
    stability interval on the negative real axis, in steps times rate. `diagonal` are the weights of the rate of a stage in its
    own state, empty where the method is explicit; the first is zero, and the last stage of such a method is its step.
    """

    name: str
    order: int
    rows: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    reach: float
    error: tuple[float, ...] | None = None
    diagonal: tuple[float, ...] = ()

    @property
    def stages(self) -> int:
        return len(self.weights)

    @cached_property
    def a(self) -> np.ndarray:
        """float64[stages, stages], zero above the diagonal, and on it where the method is explicit."""
        square = np.diag(self.diagonal) if self.diagonal else np.zeros((self.stages, self.stages))
        for i, row in enumerate(self.rows, start=1):
            square[i, : len(row)] = row
        return square

    @cached_property
    def c(self) -> np.ndarray:
        """float64[stages], parts of a step."""
        return self.a.sum(axis=1)


HEUN = Tableau("heun", 2, ((1.0,),), (0.5, 0.5), 2.0)

RK4 = Tableau("rk4", 4, ((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 2.785)

TSIT5 = Tableau("tsit5", 5, (
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
), (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774, 0.0), 3.507,
    (-0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995, -0.1447110071732629, 0.5823571654525552,
     -0.45808210592918697, 1 / 66))
"""Ch. Tsitouras, Runge-Kutta pairs of order 5(4), Computers and Mathematics with Applications 62 (2011) 770-775."""

_D, _W = 1.0 - math.sqrt(0.5), math.sqrt(2.0) / 4.0

TR_BDF2 = Tableau("tr-bdf2", 2, ((_D,), (_W, _W)), (_W, _W, _D), math.inf, diagonal=(0.0, _D, _D))
"""Trapezoidal rule to 2 - sqrt 2 of the step, then the second backward difference; L-stable. R. E. Bank et al., Transient
simulation of silicon devices and circuits, IEEE Transactions on Electron Devices 32 (1985) 1992-2007; as a table: M. E. Hosea,
L. F. Shampine, Analysis and implementation of TR-BDF2, Applied Numerical Mathematics 20 (1996) 21-37."""

SDIRK2 = Tableau("sdirk2", 2, ((0.0,), (0.0, 1.0 - _D)), (0.0, 1.0 - _D, _D), math.inf, diagonal=(0.0, _D, _D))
"""R. Alexander, Diagonally implicit Runge-Kutta methods for stiff O.D.E.'s, SIAM Journal on Numerical Analysis 14 (1977)
1006-1021. L-stable, with the stability function of TR-BDF2. The rate at the start has no weight; the stage is there because
every method is given drives at the start of a step."""

METHODS = {one.name: one for one in (HEUN, RK4, TSIT5, TR_BDF2, SDIRK2)}


def find_method(name: str) -> Tableau:
    """The method of a name; raises `UsageError` KC0503."""
    if name not in METHODS:
        raise UsageError(Diagnostic("KC0503", f"there is no solver `{name}`", hint=nearest(name, METHODS) or accepted(METHODS)))
    return METHODS[name]
