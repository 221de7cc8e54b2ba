"""Laws as SPICE expressions that mean what `kcompile/ir/meaning.py` says, for every float64.

No `^`, `**` or `pow`: ngspice gives (-2)^3 = 8. Whole powers are products. exp is the fourth power of exp(x/4), because
ngspice cuts exp off at 1e99. A denominator that may be zero is guarded. One that may be huge is scaled down or divided by
in two steps: the derivative of a quotient holds the square of its denominator, and ngspice gives up where any step of a
value or derivative overflows.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from kcompile.ir import expr as law
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression
from kcompile.lower.infix import InfixPrinter

MAX_REPEATED = 48
"""Characters of an operand that is written several times; a longer one becomes a node of its own."""

MAX_WRITTEN_OUT = 256
"""The same for operands that may be huge: a node cannot hold what times its slope and voltage overflows."""

_HUGE_POWER = 16
"""Whole powers from here on may exceed 1e150 in circuits of this world."""


class SpicePrinter(InfixPrinter):
    """Prints expressions of one device; parameters stand in braces. Long operands become `helpers`."""

    def __init__(self, model: DeviceModel, symbols: Mapping[str, str]) -> None:
        super().__init__(model, symbols)
        self.helpers: list[tuple[str, str]] = []
        """(node, expression): voltages computed by sources of their own."""

    def _literal(self, value: float) -> str:
        """The fewest digits that read back as this float, whole numbers without a point; infinity is what no voltage reaches."""
        value = min(max(value, -1e308), 1e308)
        return str(int(value)) if value == int(value) and abs(value) < 1e9 else repr(value)

    def _voltage(self, a: str, b: str) -> str:
        return f"v({self._symbols[a][2:-1]},{self._symbols[b][2:-1]})"

    def _may_divide(self, expr: Expression) -> bool:
        return self._is_safe(expr) and not _may_be_huge(expr)

    def _operand(self, expr: Expression) -> str:
        """Factor that may be repeated: long ones are computed once, on a node."""
        return self._repeatable(self.factor(expr), MAX_WRITTEN_OUT if _may_be_huge(expr) else MAX_REPEATED)

    def _repeatable(self, text: str, longest: int = MAX_REPEATED) -> str:
        if len(text) <= longest:
            return text
        for node, known in self.helpers:
            if known == text:
                return f"v({node})"
        node = f"t_{len(self.helpers)}"
        self.helpers.append((node, text))
        return f"v({node})"

    # ---- functions ----------------------------------------------------------------------------------------------------

    def _function(self, expr: Expression) -> str:
        args = expr.args
        match law.OPERATOR_OF[type(expr)]:
            case "recip":
                return self._recip(args[0])
            case "exp":
                plain = self._not_negative(-args[0])
                return f"exp({self.text(args[0])})" if plain else self._exp(self.text(args[0]))
            case "log":
                return f"ln(max({self.text(args[0])},1e-300))"
            case "sqrt":
                return f"sqrt(max({self.text(args[0])},0))"
            case "power":
                x = self._operand(args[0])
                return f"({x}>0 ? {self._exp(f'{self.factor(args[1])}*ln(max({x},1e-300))')} : 0)"
            case "tanh" | "sin" | "cos" | "atan" | "abs" as name:
                return f"{name}({self.text(args[0])})"
            case "sign":
                return f"sgn({self.text(args[0])})"
            case "sigmoid":
                x = self._operand(args[0])
                return f"(exp(max(min({x},0),-709))/(1+exp(-abs({x}))))"
            case "softplus":
                x = self._operand(args[0])
                small = f"exp(-abs({x}))"
                # log(1 + y) = 2 atanh(y / (2 + y)) keeps its digits for small y.
                return f"(max({x},0)+2*atanh({small}/(2+{small})))"
            case "relu":
                return f"max({self.text(args[0])},0)"
            case "leaky_relu":
                x = self._operand(args[0])
                return f"({x}>0 ? {x} : {self.factor(args[1])}*{x})"
            case "min" | "max" as name:
                return f"{name}({self.text(args[0])},{self.text(args[1])})"
            case "select":
                return f"({self._condition(args[0])} ? {self.factor(args[1])} : {self.factor(args[2])})"
        return f"({self._condition(expr)} ? 1 : 0)"

    def _recip(self, expr: Expression) -> str:
        if self._may_divide(expr):
            return f"(1/{self.factor(expr)})"
        huge, x = _may_be_huge(expr), self._operand(expr)
        if self._sign(expr) == 1:
            return f"(1/sqrt({x})/sqrt({x}))"
        quotient = f"(abs({x})>1e150 ? 1e-160/(1e-160*{x}) : 1/{x})" if huge else f"1/{x}"
        return f"(abs({x})<1e-300 ? ({x}<0 ? -1e300 : 1e300) : {quotient})"

    def _exp(self, exponent: str) -> str:
        quarter = self._repeatable(f"exp(min({exponent},709)/4)")
        return "(" + "*".join([quarter] * 4) + ")"

    def _condition(self, expr: Expression) -> str:
        sign = {law.lt: "<", law.le: "<=", law.eq: "==", law.ne: "!="}.get(type(expr))
        if sign:
            return f"{self.factor(expr.args[0])}{sign}{self.factor(expr.args[1])}"
        if isinstance(expr, law.both | law.either):
            name = "min" if isinstance(expr, law.both) else "max"
            return f"{name}({self._truth(expr.args[0])},{self._truth(expr.args[1])})>0.5"
        if isinstance(expr, law.negate):
            return f"{self._truth(expr.args[0])}<0.5"
        return f"{self.factor(expr)}!=0"

    def _truth(self, expr: Expression) -> str:
        return f"({self._condition(expr)} ? 1 : 0)"


def _may_be_huge(expr: Expression) -> bool:
    return any(isinstance(part, law.exp | law.power | law.recip) or (isinstance(part, sympy.Pow) and part.exp >= _HUGE_POWER)
               for part in sympy.preorder_traversal(expr))
