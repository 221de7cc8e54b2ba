"""What the names of an expression are in the program, and powers written as the language has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kcompile.diagnostics import CompileError, Diagnostic, nearest
from kcompile.imports.pieces import quantity
from kcompile.imports.spice_function import call, chain, evaluate, never_negative, number, replaced
from kcompile.syntax import nodes

_LARGEST_POWER = 64
"""Whole exponents up to this stay powers, as the language has them."""

_NOT_HERE = {"time": "make a ramp, a source `PWL(0 0 1 1)` from a node to ground, and read its voltage",
             "temper": "write the temperature as a number", "hertz": "a transient has no frequency"}


@dataclass(frozen=True, eq=False)
class Scope:
    """Names of parameters: `inner` ones of the circuit and `outer` constants, in the program; values of those constants."""

    outer: Mapping[str, str]
    values: Mapping[str, float]
    inner: Mapping[str, str] = field(default_factory=dict)

    def known(self, expr: nodes.Expr) -> float | None:
        """Value of an expression of constants."""
        return evaluate(expr, self._visible)

    @cached_property
    def _visible(self) -> Mapping[str, float]:
        """Values of constants that no name of the circuit hides."""
        return {name: value for name, value in self.values.items() if name not in self.inner} if self.inner else self.values

    def finished(self, expr: nodes.Expr) -> nodes.Expr:
        """The expression with names of the program; raises `CompileError` KC0534 for a name that is not declared."""
        return replaced(expr, self._leaf)

    def _leaf(self, part: nodes.Expr) -> nodes.Expr | None:
        if isinstance(part, nodes.Name):
            return self._name(part)
        if isinstance(part, nodes.Call) and part.function.id in ("^", "pow"):
            return self._power(part)
        return None

    def _name(self, name: nodes.Name) -> nodes.Expr:
        for names in (self.inner, self.outer):
            if name.id in names:
                return nodes.Name(name.span, names[name.id])
        if name.id == "pi":
            return name
        if name.id == "e":
            return number(math.e, name.span)
        hint = _NOT_HERE.get(name.id) or nearest(name.id, [*self.inner, *self.outer])
        raise CompileError(Diagnostic("KC0534", f"there is no parameter `{name.id[:40]}`", name.span, hint=hint))

    def _power(self, power: nodes.Call) -> nodes.Expr:
        """|x|^y for `^`, x^y for `pow`, as `pow` where y is known."""
        base, exponent = (self.finished(a) for a in power.arguments)
        size = base if power.function.id == "pow" or never_negative(base) else call(power.span, "abs", base)
        y = self.known(power.arguments[1])
        if y is None or not math.isfinite(y) or (y == int(y) and abs(y) > _LARGEST_POWER):
            return call(power.span, "exp", chain("*", exponent, call(power.span, "log", size)))
        return call(power.span, "pow", base if y % 2 == 0 else size, number(y, power.span))

    def quantity(self, expr: nodes.Expr, unit: str) -> str:
        """Text of a value of the netlist as a value with a unit."""
        return quantity(self.finished(expr), unit)

