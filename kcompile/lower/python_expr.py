"""Laws as numpy expressions that mean what `kcompile/ir/meaning.py` says; its operators are functions of the same file."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from kcompile.ir import expr as law
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression
from kcompile.lower.infix import InfixPrinter

LONGEST = 12
"""Terms or factors on one line; Python does not take thousands of them between operators."""

_NUMPY = {"tanh": "np.tanh", "sin": "np.sin", "cos": "np.cos", "atan": "np.arctan", "abs": "np.abs", "sign": "np.sign",
          "min": "np.minimum", "max": "np.maximum"}
_COMPARED = {law.lt: "<", law.le: "<=", law.eq: "==", law.ne: "!="}


class PythonPrinter(InfixPrinter):
    """Prints expressions of one device, and notes in `operators` which functions of the file they call."""

    def __init__(self, model: DeviceModel, symbols: Mapping[str, str]) -> None:
        super().__init__(model, symbols)
        self.operators: set[str] = set()

    def text(self, expr: Expression) -> str:
        """Expression text."""
        if isinstance(expr, sympy.Add | sympy.Mul) and len(expr.args) > LONGEST:
            name = self._call("total" if isinstance(expr, sympy.Add) else "product")
            parts = ",\n        ".join(self.text(part) for part in expr.args)
            return f"{name}(\n        {parts})"
        return super().text(expr)

    def _call(self, name: str) -> str:
        self.operators.add(name)
        return name

    def _literal(self, value: float) -> str:
        return f"{'-' * (value < 0)}np.inf" if abs(value) == float("inf") else (
            str(int(value)) if value == int(value) and abs(value) < 1e9 else repr(value))

    def _voltage(self, a: str, b: str) -> str:
        return f"{self._symbols[a]}-{self._symbols[b]}"  # a term of a sum

    def _operand(self, expr: Expression) -> str:
        raise AssertionError("whole powers are written as powers")

    def factor(self, expr: Expression) -> str:
        """Text that can stand beside any operator."""
        if isinstance(expr, sympy.Pow):
            return f"{self.factor(expr.base)}**{int(expr.exp)}"
        if isinstance(expr, sympy.Mul | sympy.Add) and len(expr.args) > LONGEST:
            return self.text(expr)
        return super().factor(expr)

    def _function(self, expr: Expression) -> str:
        operator = law.OPERATOR_OF[type(expr)]
        if operator == "select":
            then, other = (self.text(part) for part in expr.args[1:])
            return f"np.where({self._condition(expr.args[0])}, {then}, {other})"
        if isinstance(expr, law.lt | law.le | law.eq | law.ne | law.both | law.either | law.negate):
            return f"np.where({self._condition(expr)}, 1.0, 0.0)"
        arguments = ", ".join(self.text(part) for part in expr.args)
        return f"{_NUMPY.get(operator) or self._call(operator)}({arguments})"

    def _condition(self, expr: Expression) -> str:
        sign = _COMPARED.get(type(expr))
        if sign:
            return f"{self.text(expr.args[0])} {sign} {self.text(expr.args[1])}"
        if isinstance(expr, law.both | law.either):
            name = "np.logical_and" if isinstance(expr, law.both) else "np.logical_or"
            return f"{name}({self._condition(expr.args[0])}, {self._condition(expr.args[1])})"
        if isinstance(expr, law.negate):
            return f"np.logical_not({self._condition(expr.args[0])})"
        return f"{self.text(expr)} != 0"
