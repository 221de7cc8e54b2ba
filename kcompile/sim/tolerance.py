"""Tolerances of steps that are chosen for each sample, and what is said of samples that do not keep them."""

from __future__ import annotations

import numpy as np

from kcompile.diagnostics import Diagnostic, SimulatorFailed, UsageError

MOST = 100_000
"""Steps that are tried for a sample."""

SHORTEST = 8
"""Units in the last place of a slice's length that a step must have."""


def check_tolerances(rtol: float, atol: float, real: np.dtype) -> None:
    """Raises `UsageError` KC0503 for what numbers of a precision cannot keep."""
    least = 4 * float(np.finfo(real).eps)
    if not (least <= rtol <= 0.1 and 0.0 < atol < np.inf):
        hint = "take float64" if real.itemsize < 8 and rtol < least else ""
        raise UsageError(Diagnostic("KC0503", f"in {real} rtol lies between {least:.2g} and 0.1, and atol is positive, "
                                    f"not {rtol!r} and {atol!r}", hint=hint))


def check_reached(lost: np.ndarray, rtol: float) -> None:
    """lost: bool[samples], those that were given up or are not finite. Raises `SimulatorFailed` KC0601 where there is one."""
    if lost.any():
        raise SimulatorFailed("stalled", Diagnostic(
            "KC0601", f"{lost.sum()} of {len(lost)} samples do not reach the end within rtol {rtol:g}, {np.argmax(lost)} first",
            hint="allow a larger rtol, or use float64"))
