"""Waveforms of sources as waveforms of the language; both have SPICE's formulas.

What ngspice takes from the print step or from the end of the run where a value is left out or 0 is refused: the waveform of a
program does not depend on how it is simulated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from kcompile.diagnostics import CompileError, Diagnostic
from kcompile.imports.spice_elements import Source
from kcompile.imports.spice_function import signed
from kcompile.imports.spice_scope import Scope
from kcompile.syntax import nodes
from kcompile.syntax.format_device import format_expr

NEVER = 1e30
"""Seconds from which on a width or period is taken for endless."""

_FORMS = {
    "dc": ("value",), "sin": ("offset", "amplitude", "frequency", "delay", "damping", "phase"),
    "exp": ("v1", "v2", "rise_delay", "rise_tau", "fall_delay", "fall_tau"),
    "pulse": ("v1", "v2", "delay", "rise", "fall", "width", "period")}
_LEAST = {"dc": 1, "sin": 3, "exp": 6, "pulse": 4}
_TIMES = ("delay", "rise", "fall", "width", "period", "rise_delay", "rise_tau", "fall_delay", "fall_tau")
_UNITS = {"frequency": "Hz", "damping": "Hz", **dict.fromkeys(_TIMES, "s")}
_ABOVE_0 = {"rise", "fall", "frequency", "period", "rise_delay", "rise_tau", "fall_delay", "fall_tau"}
_NOT_BELOW_0 = {"delay", "damping", "width"}


def waveform(source: Source, minus: bool, unit: str, scope: Scope) -> str:
    """Text of the waveform of a source, negated with `minus`; raises `CompileError` KC0538."""
    kind, arguments = source.kind, source.arguments
    if kind == "pwl":
        return _pwl(source, minus, unit, scope)
    names = _FORMS[kind]
    if not _LEAST[kind] <= len(arguments) <= len(names):
        raise _refused(source, f"{kind.upper()} takes {_LEAST[kind]} to {len(names)} values here, {len(arguments)} are given",
                       "what is left out ngspice takes from the print step or the end of the run")
    given = dict(zip(names, arguments, strict=False))
    known = {name: scope.known(value) for name, value in given.items()}
    for name, value in known.items():
        if value is not None and name in _ABOVE_0 and value <= 0:
            raise _refused(source, f"the {name} of {kind.upper()} is above 0 in a program",
                           "instead of 0 ngspice takes a value of its own, the print step or the time of the run", given[name])
        if value is not None and name in _NOT_BELOW_0 and value < 0:
            raise _refused(source, f"the {name} of {kind.upper()} is not negative", "", given[name])
    if kind == "pulse":
        _check_pulse(source, given, known)
    left_out = {name for name in ("width", "period", "fall_delay") if (known.get(name) or 0.0) >= NEVER}
    parts = []
    for k, (name, value) in enumerate(given.items()):
        if name in left_out or (name in ("delay", "damping", "phase") and known[name] == 0):
            continue
        text = _value(value, name, minus, unit, scope)
        parts.append(text if k < 2 or (kind == "sin" and k == 2) else f"{name} = {text}")
    return f"{kind}({', '.join(parts)})"


def _value(value: nodes.Expr, name: str, minus: bool, unit: str, scope: Scope) -> str:
    if name == "phase":
        return format_expr(scope.finished(value))
    return scope.quantity(value, _UNITS[name]) if name in _UNITS else scope.quantity(signed(value, minus), unit)


def _check_pulse(source: Source, given: dict[str, nodes.Expr], known: dict[str, float | None]) -> None:
    width, period = (known.get(name, math.inf) for name in ("width", "period"))
    if ("width" in given) != ("period" in given) and (width is None or width < NEVER):
        raise _refused(source, "a PULSE with a width has a period",
                       "without one ngspice repeats it at once, other programs never")
    parts = [known["rise"], width, known.get("fall", 0.0)]
    if period is not None and period < NEVER and None not in parts:
        busy = sum(part for part in parts if part is not None)
        if period < busy * (1 - 1e-12):
            raise _refused(source, "the period of a PULSE is at least rise + width + fall", "", given["period"])


def _pwl(source: Source, minus: bool, unit: str, scope: Scope) -> str:
    arguments = source.arguments
    if len(arguments) < 2 or len(arguments) % 2:
        raise _refused(source, "PWL takes pairs of a time and a value")
    times = [scope.known(time) for time in arguments[::2]]
    for k, (before, time) in enumerate(itertools.pairwise([-1.0, *times])):
        if before is not None and time is not None and (time <= before or time < 0):
            raise _refused(source, "the times of PWL start at 0 or later and increase", "", arguments[2 * k])
    return f"pwl({', '.join(_pairs(arguments, minus, unit, scope))})"


def _pairs(arguments: Sequence[nodes.Expr], minus: bool, unit: str, scope: Scope) -> list[str]:
    return [scope.quantity(signed(one, minus), unit) if k % 2 else scope.quantity(one, "s") for k, one in enumerate(arguments)]


def _refused(source: Source, message: str, hint: str = "", at: nodes.Expr | None = None) -> CompileError:
    return CompileError(Diagnostic("KC0538", message, at.span if at is not None else source.card.span(), hint=hint))
