"""Circuits of cells on the models of their process in several corners and at several temperatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.pdk.load import load_pdk
from kcompile.verify.transistors import RTOL, TOLERANCE, Confirmation, confirm


@dataclass(frozen=True)
class Corners:
    """One confirmation for each condition, in order."""

    confirmations: tuple[Confirmation, ...]

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.confirmations)

    @property
    def worst(self) -> Confirmation:
        """The one with the largest error."""
        return max(self.confirmations, key=lambda one: float(one.error.max(initial=0.0)))

    def record(self) -> dict[str, Any]:
        """JSON-ready form."""
        worst = self.worst
        return {"circuit": worst.circuit, "pdk": worst.pdk, "against": worst.tool, "tolerance": worst.tolerance,
                "passed": self.passed, "worst": float(worst.error.max(initial=0.0)),
                "worst_at": {"corner": worst.corner, "temperature": worst.temperature},
                "corners": [one.record() for one in self.confirmations]}


def all_conditions(circuit: Circuit) -> tuple[tuple[str, float], ...]:
    """Corners and temperatures in degrees Celsius of the process of a circuit, the typical ones first; raises `UsageError` KC0722
    for a process without any."""
    signals = load_pdk(circuit.pdk or "generic").signals
    if signals is None:
        raise UsageError(Diagnostic("KC0722", f"`{circuit.name}` is made for no process with corners", circuit.span,
                                    hint="`pdk sky130;` in the circuit, and cells of it"))
    return signals.conditions


def confirm_corners(circuit: Circuit, conditions: Sequence[tuple[str, float]], inputs: Sequence[np.ndarray] | None = None, *,
                    until: float | None = None, rtol: float = RTOL, tolerance: float = TOLERANCE, clocked: bool = False,
                    watch: Callable[[int, int], None] | None = None) -> Corners:
    """Confirmations of a circuit in conditions, from the same starting points in each.

    watch: called with the numbers of conditions that are done and of all. Raises what `confirm` raises.
    """
    found = []
    for corner, temperature in conditions:
        found.append(confirm(circuit, inputs, corner=corner, temperature=temperature, until=until, rtol=rtol,
                             tolerance=tolerance, clocked=clocked))
        if watch is not None:
            watch(len(found), len(conditions))
    return Corners(tuple(found))
