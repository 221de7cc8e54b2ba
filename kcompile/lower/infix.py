"""Sums and products of laws as text, and what intervals of parameters say about signs; each language adds its functions."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sympy

from kcompile.ir import expr as law
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression

_VOLTAGE = re.compile(r"[vV]\([a-z0-9_,]+\)")


class InfixPrinter:
    """Prints expressions of one device; `symbols` maps symbol names to text.

    A language says how numbers and voltages are spelled, what its functions are, and where a plain division is right.
    """

    def __init__(self, model: DeviceModel, symbols: Mapping[str, str]) -> None:
        self._symbols = symbols
        self._intervals = {param.name: param.interval for param in model.params}

    def text(self, expr: Expression) -> str:
        """Expression text."""
        return self._sum(expr) if isinstance(expr, sympy.Add) else self._term(expr)

    # ---- what a language says -----------------------------------------------------------------------------------------

    def _literal(self, value: float) -> str:
        raise NotImplementedError

    def _voltage(self, a: str, b: str) -> str:
        """Voltage between the terminals of two symbols; one factor."""
        raise NotImplementedError

    def _operand(self, expr: Expression) -> str:
        """Factor that may be repeated."""
        raise NotImplementedError

    def _function(self, expr: Expression) -> str:
        """One factor."""
        raise NotImplementedError

    def _may_divide(self, expr: Expression) -> bool:
        """Whether `/` by this expression means what `recip` of it means."""
        return self._is_safe(expr)

    # ---- sums and products --------------------------------------------------------------------------------------------

    def _sum(self, expr: Expression) -> str:
        plus = [a for a in expr.args if a.is_Symbol and a.name.startswith("V(")]
        minus = [a for a in expr.args if (-a).is_Symbol and (-a).name.startswith("V(")]
        pairs = list(zip(plus, minus, strict=False))
        paired = {term for pair in pairs for term in pair}
        parts = [f"+{self._voltage(a.name, (-b).name)}" for a, b in pairs]
        for term in expr.args:
            if term in paired:
                continue
            coefficient, rest = term.as_coeff_Mul()
            if coefficient.is_Number and coefficient < 0:
                positive = -coefficient * rest
                parts.append(f"-{self._term(positive)}")
            else:
                parts.append(f"+{self._term(term)}")
        parts.sort(key=lambda part: part[0] == "-")  # a sum starts with a positive term where it has one
        joined = "".join(parts)
        return joined[1:] if joined[0] == "+" else joined

    def _term(self, expr: Expression) -> str:
        if not isinstance(expr, sympy.Mul):
            return self.factor(expr)
        coefficient, _ = expr.as_coeff_Mul()
        if coefficient == -1:
            return f"-{self._term(-expr)}" if isinstance(-expr, sympy.Mul) else f"-{self.factor(-expr)}"
        above, below = [], []
        for factor in expr.args:
            if isinstance(factor, law.recip) and self._may_divide(factor.args[0]):
                below.append(self.factor(factor.args[0]))
            else:
                above.append(self.factor(factor))
        return "*".join(above or [self._literal(1.0)]) + "".join(f"/{factor}" for factor in below)

    def factor(self, expr: Expression) -> str:
        """Text that can stand beside any operator."""
        if expr.is_Number:
            text = self._literal(float(expr))
            return f"({text})" if text[0] == "-" else text
        if expr.is_Symbol:
            return self._symbols[expr.name]
        if isinstance(expr, sympy.Pow):
            base = self._operand(expr.base)
            return "(" + "*".join([base] * int(expr.exp)) + ")"
        if isinstance(expr, sympy.Add | sympy.Mul):
            text = self.text(expr)
            return text if _VOLTAGE.fullmatch(text) else f"({text})"
        return self._function(expr)

    # ---- signs --------------------------------------------------------------------------------------------------------

    def _is_safe(self, expr: Expression) -> bool:
        """Whether an expression provably stays away from zero by more than the guard."""
        return self._sign(expr) != 0

    def _sign(self, expr: Expression) -> int:
        """1 or -1 when an expression is surely above 1e-30 or below -1e-30 in circuits of this world, else 0."""
        if expr.is_Number:
            value = float(expr)
            return 0 if abs(value) < 1e-30 else 1 if value > 0 else -1
        if expr.is_Symbol:
            interval = self._intervals.get(expr.name)
            if interval is None:
                return 0
            if interval.lower > 0 or (interval.lower == 0 and not interval.lower_closed):
                return 1
            return -1 if interval.upper < 0 or (interval.upper == 0 and not interval.upper_closed) else 0
        if isinstance(expr, law.exp | law.sigmoid):
            return 0
        if isinstance(expr, sympy.Mul | sympy.Pow):
            factors = expr.args if isinstance(expr, sympy.Mul) else (expr.base,) * int(expr.exp)
            product = 1
            for factor in factors:
                product *= self._sign(factor)
            return product
        if isinstance(expr, sympy.Add):
            signs = {self._sign(a) or (1 if self._not_negative(a) else 0) for a in expr.args}
            return 1 if signs == {1} and any(self._sign(a) == 1 for a in expr.args) else -1 if signs == {-1} else 0
        return 0

    def _not_negative(self, expr: Expression) -> bool:
        if isinstance(expr, sympy.Pow):
            return int(expr.exp) % 2 == 0
        if isinstance(expr, law.exp | law.sigmoid | law.softplus | law.relu | law.abs_ | law.sqrt | law.power):
            return True
        return isinstance(expr, sympy.Mul | sympy.Add) and all(self._sign(a) == 1 or self._not_negative(a) for a in expr.args)
