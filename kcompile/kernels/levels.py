"""Straight-line C++ for expressions, each part computed as rarely as it changes.

A loop over the tiles of a batch encloses one over runs of devices with the same ends, and that one over the devices of a
run. What only parameters decide is a number computed once for a device; what only voltages decide is computed once for a
run; the rest is computed for every device and sample. Numbers are `real`, the others are `vec`, a few samples each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import sympy

from kcompile.ir.expr import OPERATOR_OF, Expression, lt, max_, min_, relu


class Level(IntEnum):
    """What a value changes with."""

    DEVICE = 0
    RUN = 1
    BOTH = 2


@dataclass(frozen=True)
class Value:
    """C++ text of a value, its level, and whether it is a condition."""

    text: str
    level: Level
    truth: bool = False


_INFIX = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_LOGIC = {"both": " & ", "either": " | "}


def signed(term: Expression) -> tuple[bool, Expression]:
    """(whether a product is negative, the product without its sign); of x - y and y - x one is negative."""
    negative = False
    factors = []
    for factor in sympy.Mul.make_args(term):
        if factor.could_extract_minus_sign():
            negative, factor = not negative, -factor
        factors.append(factor)
    return negative, sympy.Mul(*factors)


class Writer:
    """Writes expressions; `known` are the values of their symbols by name.

    What one body needs of a run, another body of that run finds already written.
    """

    def __init__(self, known: Mapping[str, Value]) -> None:
        self.statements: dict[Level, list[str]] = {level: [] for level in Level}
        self._known = known
        self._count = 0
        self._written: dict[Expression, Value] = {}

    def next_body(self) -> None:
        """Begin another loop over devices of the same run."""
        self.statements[Level.DEVICE], self.statements[Level.BOTH] = [], []
        self._written = {expr: value for expr, value in self._written.items() if value.level is Level.RUN}

    def level(self, expr: Expression) -> Level:
        """Level of an expression."""
        levels = {self._known[one.name].level for one in expr.free_symbols}
        return Level.DEVICE if not levels else levels.pop() if len(levels) == 1 else Level.BOTH

    def split(self, expr: Expression) -> tuple[Expression, Expression, Expression]:
        """Parts of a sum or factors of a product by level: those of a device, those of a run, the rest."""
        parts: dict[Level, list[Expression]] = {level: [] for level in Level}
        for argument in expr.args:
            parts[self.level(argument)].append(argument)
        return (expr.func(*parts[Level.DEVICE]), expr.func(*parts[Level.RUN]), expr.func(*parts[Level.BOTH]))

    def compared(self, expr: Expression) -> Expression:
        """The same expression with comparisons and ramps of `run + device` as comparisons of run and -device."""
        changes: dict[Expression, Expression] = {}
        for one in sorted(expr.atoms(relu, lt), key=sympy.default_sort_key):
            inner = one.args[0] if isinstance(one, relu) else one.args[1] - one.args[0]
            if not isinstance(inner, sympy.Add):
                continue
            device, run, both = self.split(inner)
            if both != 0 or device == 0 or run == 0:
                continue
            # The two orientations of a device differ in the sign of the run's part; that with one sign serves both.
            if run.could_extract_minus_sign():
                changes[one] = device - min_(-run, device) if isinstance(one, relu) else lt(-run, device)
            else:
                changes[one] = device + max_(run, -device) if isinstance(one, relu) else lt(-device, run)
        return expr.xreplace(changes)

    def write(self, expr: Expression) -> Value:
        """Value of an expression; the statements it needs are added."""
        if expr not in self._written:
            self._written[expr] = self._new(expr)
        return self._written[expr]

    def number(self, expr: Expression) -> str:
        """Text of an expression as a quantity, 1 and 0 for a condition."""
        value = self.write(expr)
        return f"chosen({value.text}, real(1), real(0))" if value.truth else value.text

    def _new(self, expr: Expression) -> Value:
        if expr.is_Number:
            return Value(f"real({float(expr)!r})", Level.DEVICE)
        if expr.is_Symbol:
            return self._known[expr.name]
        if isinstance(expr, sympy.Add | sympy.Mul):
            level = self.level(expr)
            operands = list(expr.args)
            if level is Level.BOTH:
                device, run, _ = self.split(expr)
                rest = [a for a in operands if self.level(a) is Level.BOTH]
                operands = [part for part in (device, run) if part != expr.func()] + rest
            return self._sum(operands, level) if isinstance(expr, sympy.Add) else self._product(operands, level)
        if isinstance(expr, sympy.Pow):
            return self._power(self.number(expr.base), int(expr.exp), self.level(expr))
        return self._operation(OPERATOR_OF[type(expr)], expr)

    def _let(self, text: str, level: Level, truth: bool = False) -> Value:
        name = f"t{self._count}"
        self._count += 1
        kind = ("bool" if truth else "real") if level is Level.DEVICE else "mask" if truth else "vec"
        if level is Level.RUN:
            self.statements[level].append(f"{kind} {name}[WIDTH]; LANES {name}[l] = {text};")
            return Value(f"{name}[l]", level, truth)
        self.statements[level].append(f"const {kind} {name} = {text};")
        return Value(name, level, truth)

    def _sum(self, operands: list[Expression], level: Level) -> Value:
        text = ""
        terms = sorted(map(signed, operands), key=lambda term: term[0])
        if terms[0][0]:
            # All are negative: a difference is turned round, rather than a number negated for every device.
            terms = sorted(((False, -one) if isinstance(one, sympy.Add) else (True, one) for _, one in terms),
                           key=lambda term: term[0])
        for negative, one in terms:
            term = self.number(one)
            text = f"{text} {'-' if negative else '+'} {term}" if text else f"{'-' if negative else ''}{term}"
        return self._let(text, level)

    def _product(self, operands: list[Expression], level: Level) -> Value:
        signs = [signed(o) for o in operands]
        values = [self.write(one) for _, one in signs if one != 1]
        text = " * ".join(v.text for v in values if not v.truth) or "real(1)"
        text = f"-{text}" if sum(negative for negative, _ in signs) % 2 else text
        conditions = " & ".join(v.text for v in values if v.truth)
        return self._let(f"chosen({conditions}, {text}, real(0))" if conditions else text, level)

    def _power(self, base: str, exponent: int, level: Level) -> Value:
        result = None
        while exponent:
            if exponent & 1:
                result = base if result is None else self._let(f"{result} * {base}", level).text
            exponent >>= 1
            if exponent:
                base = self._let(f"{base} * {base}", level).text
        assert result is not None
        return Value(result, level)

    def _operation(self, name: str, expr: Expression) -> Value:
        level = self.level(expr)
        if name in _INFIX:
            return self._let(f" {_INFIX[name]} ".join(self.number(a) for a in expr.args), level, truth=True)
        if name == "negate" or name in _LOGIC:
            texts = [self._condition(a) for a in expr.args]
            return self._let(f"!{texts[0]}" if name == "negate" else _LOGIC[name].join(texts), level, truth=True)
        if name == "select":
            return self._let(f"chosen({self._condition(expr.args[0])}, {', '.join(map(self.number, expr.args[1:]))})", level)
        return self._let(f"{name}_({', '.join(map(self.number, expr.args))})", level)

    def _condition(self, expr: Expression) -> str:
        value = self.write(expr)
        return value.text if value.truth else f"({value.text} != real(0))"
