"""What each operator of a law means for every float64, as numpy functions.

Where floating point overflows or is undefined the meaning is fixed here and every backend gives the same: exponents are
clamped, denominators are kept away from zero, logarithms and roots stay on their domain. Booleans are 0.0 and 1.0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

EXPONENT_LIMIT = 709.0
"""exp(x) is exp(min(x, 709)) = 8.2e307 at most."""

SMALLEST = 1e-300
"""1/x is +-1e300 for |x| below this; log(x) is log(max(x, 1e-300))."""


def exp(x: ArrayLike) -> np.ndarray:
    """e to the power min(x, 709)."""
    return np.exp(np.minimum(x, EXPONENT_LIMIT))


def log(x: ArrayLike) -> np.ndarray:
    """Natural logarithm of max(x, 1e-300)."""
    return np.log(np.maximum(x, SMALLEST))


def sqrt(x: ArrayLike) -> np.ndarray:
    """Square root of max(x, 0)."""
    return np.sqrt(np.maximum(x, 0.0))


def recip(x: ArrayLike) -> np.ndarray:
    """1/x, and 1e300 with the sign of x (positive for both zeros) where |x| < 1e-300."""
    x = np.asarray(x, dtype=np.float64)
    small = np.abs(x) < SMALLEST
    return np.where(small, np.where(x < 0.0, -1.0 / SMALLEST, 1.0 / SMALLEST), 1.0 / np.where(small, 1.0, x))


def power(x: ArrayLike, exponent: ArrayLike) -> np.ndarray:
    """x to a positive exponent that is not a whole number, exp(exponent * log(x)), and 0 for x <= 0."""
    return np.where(np.greater(x, 0.0), exp(np.multiply(exponent, log(x))), 0.0)


def sigmoid(x: ArrayLike) -> np.ndarray:
    """1 / (1 + exp(-x)) with the clamped exponential."""
    return 1.0 / (1.0 + exp(np.negative(x)))


def softplus(x: ArrayLike) -> np.ndarray:
    """log(1 + exp(x)), computed without overflow or cancellation."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def relu(x: ArrayLike) -> np.ndarray:
    """max(x, 0)."""
    return np.maximum(x, 0.0)


def select(condition: ArrayLike, then: ArrayLike, otherwise: ArrayLike) -> np.ndarray:
    """`then` where the condition is not 0."""
    return np.where(np.not_equal(condition, 0.0), then, otherwise)


def leaky_relu(x: ArrayLike, slope: ArrayLike) -> np.ndarray:
    """x for positive x, slope * x otherwise."""
    return np.where(np.greater(x, 0.0), x, np.multiply(slope, x))


def _real(test):
    def apply(a: ArrayLike, b: ArrayLike) -> np.ndarray:
        return test(a, b).astype(np.float64)

    return apply


OPERATIONS = {
    "add": np.add, "mul": np.multiply, "recip": recip, "exp": exp, "log": log, "sqrt": sqrt, "power": power,
    "tanh": np.tanh, "sigmoid": sigmoid, "softplus": softplus, "sin": np.sin, "cos": np.cos, "atan": np.arctan,
    "relu": relu, "leaky_relu": leaky_relu, "abs": np.abs, "sign": np.sign, "min": np.minimum, "max": np.maximum,
    "lt": _real(np.less), "le": _real(np.less_equal), "eq": _real(np.equal), "ne": _real(np.not_equal),
    "both": np.minimum, "either": np.maximum, "negate": lambda x: np.subtract(1.0, x), "select": select,
}
"""Every operator a law may be lowered to; the only things a kernel ever calls."""
