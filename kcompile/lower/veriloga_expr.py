"""Laws as Verilog-A expressions that mean what `kcompile/ir/meaning.py` says, for every float64.

No `pow`: whole powers are products. Where an operator has a domain or a guard, `?:` picks the branch, so that a slope is
that of the branch taken: that of `sqrt(max(x, 0))` is 0 times infinity at 0. Numbers carry a point, `1/2` is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy

from kcompile.ir import expr as law
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression
from kcompile.lower.columns import number
from kcompile.lower.infix import InfixPrinter


class VerilogPrinter(InfixPrinter):
    """Prints expressions of one device; what is used more than once becomes one of its `variables`."""

    def __init__(self, model: DeviceModel, symbols: Mapping[str, str]) -> None:
        super().__init__(model, symbols)
        self.variables: dict[str, str] = {}
        """Expression of each variable by its name, `t_0`, `t_1`, ..., in the order in which they are computed."""

    def share(self, exprs: Sequence[Expression]) -> list[Expression]:
        """The expressions with their common parts replaced by symbols of variables, which are computed first."""
        # A name with `#` is no name of a program, so it is never one of a law's own symbols.
        common, reduced = sympy.cse(list(exprs), symbols=sympy.numbered_symbols("#", real=True), order="none")
        for symbol, value in common:
            self._symbols = {**self._symbols, symbol.name: self._variable(self.text(value))}
        return list(reduced)

    def _variable(self, text: str) -> str:
        known = next((name for name, other in self.variables.items() if other == text), None)
        if known is None:
            known = f"t_{len(self.variables)}"
            self.variables[known] = text
        return known

    def _literal(self, value: float) -> str:
        """A real number; infinity is what no voltage reaches."""
        return number(min(max(value, -1e308), 1e308))

    def _voltage(self, a: str, b: str) -> str:
        return f"V({self._symbols[a][2:-1]},{self._symbols[b][2:-1]})"

    def _operand(self, expr: Expression) -> str:
        factor = self.factor(expr)
        return factor if expr.is_Symbol or expr.is_Number else self._variable(factor)

    def _function(self, expr: Expression) -> str:
        args = expr.args
        match law.OPERATOR_OF[type(expr)]:
            case "recip":
                if self._may_divide(args[0]):
                    return f"(1.0/{self.factor(args[0])})"
                x = self._operand(args[0])
                # The slope of 1/x holds the square of x.
                quotient = f"(abs({x})<1e-150 ? 1e150/(1e150*{x}) : 1.0/{x})"
                return f"(abs({x})<1e-300 ? ({x}<0.0 ? -1e300 : 1e300) : {quotient})"
            case "exp":
                return f"exp({self.text(args[0])})" if self._not_negative(-args[0]) else f"exp(min({self.text(args[0])},709.0))"
            case "log":
                return f"ln(max({self.text(args[0])},1e-300))"
            case "sqrt":
                x = self._operand(args[0])
                return f"({x}>0.0 ? sqrt({x}) : 0.0)"
            case "power":
                x = self._operand(args[0])
                return f"({x}>0.0 ? exp(min({self.factor(args[1])}*ln(max({x},1e-300)),709.0)) : 0.0)"
            case "tanh" | "sin" | "cos" | "atan" | "abs" as name:
                return f"{name}({self.text(args[0])})"
            case "sign":
                x = self._operand(args[0])
                return f"({x}>0.0 ? 1.0 : ({x}<0.0 ? -1.0 : 0.0))"
            case "sigmoid":
                x = self._operand(args[0])
                small = self._variable(f"exp(max({x},-709.0))")
                return f"({x}>0.0 ? 1.0/(1.0+exp(-{x})) : {small}/(1.0+{small}))"
            case "softplus":
                x = self._operand(args[0])
                small = self._variable(f"({x}>0.0 ? exp(-{x}) : exp({x}))")
                # log(1 + y) = 2 atanh(y / (2 + y)) keeps its digits for small y.
                return f"(max({x},0.0)+2.0*atanh({small}/(2.0+{small})))"
            case "relu":
                return f"max({self.text(args[0])},0.0)"
            case "leaky_relu":
                x = self._operand(args[0])
                return f"({x}>0.0 ? {x} : {self.factor(args[1])}*{x})"
            case "min" | "max" as name:
                return f"{name}({self.text(args[0])},{self.text(args[1])})"
            case "select":
                return f"({self._condition(args[0])} ? {self.factor(args[1])} : {self.factor(args[2])})"
        return f"({self._condition(expr)} ? 1.0 : 0.0)"

    def _condition(self, expr: Expression) -> str:
        sign = {law.lt: "<", law.le: "<=", law.eq: "==", law.ne: "!="}.get(type(expr))
        if sign:
            return f"{self.factor(expr.args[0])}{sign}{self.factor(expr.args[1])}"
        if isinstance(expr, law.both | law.either):
            joined = "&&" if isinstance(expr, law.both) else "||"
            return f"({self._condition(expr.args[0])}){joined}({self._condition(expr.args[1])})"
        if isinstance(expr, law.negate):
            return f"!({self._condition(expr.args[0])})"
        return f"{self.factor(expr)}!=0.0"
