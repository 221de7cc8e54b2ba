"""Laws as SPICE expressions that mean what `kcompile/ir/meaning.py` says, for every float64.

No `^`, `**` or `pow`: ngspice gives (-2)^3 = 8. Whole powers are products. exp is the fourth power of exp(x/4), because
ngspice cuts exp off at 1e99. A denominator that may be zero is guarded. One that may be huge is scaled down or divided by
in two steps: the derivative of a quotient holds the square of its denominator, and ngspice gives up where any step of a
value or derivative overflows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import sympy

from kcompile.ir import expr as law
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression

_VOLTAGE = re.compile(r"v\([a-z0-9_,]+\)")

MAX_REPEATED = 48
"""Characters of an operand that is written several times; a longer one becomes a node of its own."""

MAX_WRITTEN_OUT = 256
"""The same for operands that may be huge: a node cannot hold what times its slope and voltage overflows."""

_HUGE_POWER = 16
"""Whole powers from here on may exceed 1e150 in circuits of this world."""


class SpicePrinter:
    """Prints expressions of one device; `symbols` maps symbol names to text. Long operands become `helpers`."""

    def __init__(self, model: DeviceModel, symbols: Mapping[str, str]) -> None:
        self._symbols = symbols
        self._intervals = {param.name: param.interval for param in model.params}
        self.helpers: list[tuple[str, str]] = []
        """(node, expression): voltages computed by sources of their own."""

    def text(self, expr: Expression) -> str:
        """Expression text."""
        return self._sum(expr) if isinstance(expr, sympy.Add) else self._term(expr)

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

    def _voltage(self, a: str, b: str) -> str:
        return f"v({self._symbols[a][2:-1]},{self._symbols[b][2:-1]})"

    def _term(self, expr: Expression) -> str:
        if not isinstance(expr, sympy.Mul):
            return self._factor(expr)
        coefficient, _ = expr.as_coeff_Mul()
        if coefficient == -1:
            return f"-{self._term(-expr)}" if isinstance(-expr, sympy.Mul) else f"-{self._factor(-expr)}"
        above, below = [], []
        for factor in expr.args:
            if isinstance(factor, law.recip) and self._is_safe(factor.args[0]) and not _may_be_huge(factor.args[0]):
                below.append(self._factor(factor.args[0]))
            else:
                above.append(self._factor(factor))
        return "*".join(above or ["1"]) + "".join(f"/{factor}" for factor in below)

    def _factor(self, expr: Expression) -> str:
        """Text that can stand beside any operator."""
        if expr.is_Number:
            text = _literal(float(expr))
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

    def _operand(self, expr: Expression) -> str:
        """Factor that may be repeated: long ones are computed once, on a node."""
        return self._repeatable(self._factor(expr), MAX_WRITTEN_OUT if _may_be_huge(expr) else MAX_REPEATED)

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
                return f"({x}>0 ? {self._exp(f'{self._factor(args[1])}*ln(max({x},1e-300))')} : 0)"
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
                return f"({x}>0 ? {x} : {self._factor(args[1])}*{x})"
            case "min" | "max" as name:
                return f"{name}({self.text(args[0])},{self.text(args[1])})"
            case "select":
                return f"({self._condition(args[0])} ? {self._factor(args[1])} : {self._factor(args[2])})"
        return f"({self._condition(expr)} ? 1 : 0)"

    def _recip(self, expr: Expression) -> str:
        huge = _may_be_huge(expr)
        if self._is_safe(expr) and not huge:
            return f"(1/{self._factor(expr)})"
        x = self._operand(expr)
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
            return f"{self._factor(expr.args[0])}{sign}{self._factor(expr.args[1])}"
        if isinstance(expr, law.both | law.either):
            name = "min" if isinstance(expr, law.both) else "max"
            return f"{name}({self._truth(expr.args[0])},{self._truth(expr.args[1])})>0.5"
        if isinstance(expr, law.negate):
            return f"{self._truth(expr.args[0])}<0.5"
        return f"{self._factor(expr)}!=0"

    def _truth(self, expr: Expression) -> str:
        return f"({self._condition(expr)} ? 1 : 0)"

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


def _literal(value: float) -> str:
    """The fewest digits that read back as this float, whole numbers without a point; infinity is what no voltage reaches."""
    value = min(max(value, -1e308), 1e308)
    return str(int(value)) if value == int(value) and abs(value) < 1e9 else repr(value)


def _may_be_huge(expr: Expression) -> bool:
    return any(isinstance(part, law.exp | law.power | law.recip) or (isinstance(part, sympy.Pow) and part.exp >= _HUGE_POWER)
               for part in sympy.preorder_traversal(expr))
