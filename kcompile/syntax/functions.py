"""The functions and waveforms of the language: their arguments, dimensions and defaults.

What a function *means* for every float64, overflow included, stands in `kcompile/ir/operators.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from kcompile.units import FREQUENCY, REAL, TIME, Dimension


class Rule(Enum):
    """How the dimension of a call follows from those of its arguments."""

    REAL = "takes plain numbers, gives a plain number"
    KEEP = "keeps the dimension, the same for all arguments"
    SIGN = "takes any dimension, gives a plain number"
    SLOPE = "keeps the dimension of the first argument, the second is a plain number"
    POWER = "raises to a constant"
    CHOICE = "condition, then two values of one dimension"


@dataclass(frozen=True)
class Function:
    rule: Rule
    least: int
    most: int
    names: tuple[str, ...] = ()
    defaults: tuple[float, ...] = ()
    """Values of the last arguments when they are left out."""


FUNCTIONS = {
    **{name: Function(Rule.REAL, 1, 1) for name in ("tanh", "sigmoid", "softplus", "exp", "log", "sqrt", "sin", "cos",
                                                    "atan")},
    "relu": Function(Rule.KEEP, 1, 1),
    "abs": Function(Rule.KEEP, 1, 1),
    "min": Function(Rule.KEEP, 2, 16),
    "max": Function(Rule.KEEP, 2, 16),
    "leaky_relu": Function(Rule.SLOPE, 1, 2, ("x", "slope"), (0.01,)),
    "sign": Function(Rule.SIGN, 1, 1),
    "pow": Function(Rule.POWER, 2, 2, ("x", "exponent")),
    "if": Function(Rule.CHOICE, 3, 3),
}

CONSTANTS = {"inf": math.inf, "pi": math.pi}

ACCESS = ("V", "I", "ddt")
"""Access functions of laws; not free as names."""


@dataclass(frozen=True)
class Argument:
    """One argument of a waveform; dimension None means the dimension of the driven quantity."""

    name: str
    dimension: Dimension | None
    default: float | None = None


@dataclass(frozen=True)
class Waveform:
    arguments: tuple[Argument, ...]
    repeats: bool = False
    """Takes any number of (time, value) pairs instead of fixed arguments."""


WAVEFORMS = {
    "dc": Waveform((Argument("value", None),)),
    "pulse": Waveform((
        Argument("v1", None), Argument("v2", None), Argument("delay", TIME, 0.0), Argument("rise", TIME),
        Argument("fall", TIME, math.nan), Argument("width", TIME, math.inf), Argument("period", TIME, math.inf))),
    "sin": Waveform((
        Argument("offset", None), Argument("amplitude", None), Argument("frequency", FREQUENCY),
        Argument("delay", TIME, 0.0), Argument("damping", FREQUENCY, 0.0), Argument("phase", REAL, 0.0))),
    "exp": Waveform((
        Argument("v1", None), Argument("v2", None), Argument("rise_delay", TIME, 0.0), Argument("rise_tau", TIME),
        Argument("fall_delay", TIME, math.inf), Argument("fall_tau", TIME, math.nan))),
    "pwl": Waveform((), repeats=True),
}
"""Signatures. A default of nan means: the same as the rise. Phase is in degrees, as in SPICE."""

RESERVED = frozenset({
    "gnd", "use", "const", "device", "param", "in", "trainable", "state", "circuit", "node", "rail", "drive", "initial",
    "input", "output", "pdk", "phase", "for", "if", "fixed", "and", "or", "not", *ACCESS, *FUNCTIONS, *WAVEFORMS,
    *CONSTANTS,
})
"""Words no declaration may take, so that a program never means two things."""
