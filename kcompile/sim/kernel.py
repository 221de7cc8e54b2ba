"""Sympy expressions to a list of operations on columns: no generated text, nothing executed but `meaning.OPERATIONS`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy

from kcompile.ir.expr import OPERATOR_OF, Expression
from kcompile.ir.meaning import OPERATIONS


@dataclass(frozen=True)
class Step:
    """registers[target] = operation(registers[arguments])."""

    operation: str
    arguments: tuple[int, ...]
    target: int


@dataclass(frozen=True)
class Kernel:
    """Straight-line code over registers: first the inputs by name, then constants, then results of steps.

    `first` are the steps that read slow inputs (parameters) only and are done once; `then` the rest.
    """

    inputs: tuple[str, ...]
    constants: tuple[tuple[int, float], ...]
    first: tuple[Step, ...]
    then: tuple[Step, ...]
    outputs: tuple[int, ...]
    size: int

    def prepare(self, slow: Mapping[str, np.ndarray]) -> Prepared:
        """Kernel with its slow inputs filled in; columns of shape [n] or ()."""
        registers: list[np.ndarray | None] = [None] * self.size
        for place, value in self.constants:
            registers[place] = np.asarray(value)
        for place, name in enumerate(self.inputs):
            if name in slow:
                registers[place] = slow[name]
        _run(self.first, registers)
        fast = tuple((place, name) for place, name in enumerate(self.inputs) if name not in slow)
        return Prepared(self, registers, fast)


@dataclass(frozen=True, eq=False)
class Prepared:
    kernel: Kernel
    registers: Sequence[np.ndarray | None]
    fast: tuple[tuple[int, str], ...]

    def __call__(self, fast: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs, each of shape [n] or ()."""
        registers = list(self.registers)
        for place, name in self.fast:
            registers[place] = fast[name]
        _run(self.kernel.then, registers)
        return [_filled(registers[place]) for place in self.kernel.outputs]


def _filled(value: np.ndarray | None) -> np.ndarray:
    assert value is not None
    return value


def _run(steps: Iterable[Step], registers: list[np.ndarray | None]) -> None:
    with np.errstate(all="ignore"):
        for step in steps:
            registers[step.target] = OPERATIONS[step.operation](*(_filled(registers[a]) for a in step.arguments))


def make_kernel(outputs: Sequence[Expression], slow: Iterable[str]) -> Kernel:
    """Kernel of several expressions with their common parts computed once; `slow` names the inputs that rarely change."""
    return _KernelBuilder(set(slow)).build(outputs)


class _KernelBuilder:
    def __init__(self, slow: set[str]) -> None:
        self._slow_names = slow
        self._register: dict[Expression, int] = {}
        self._is_slow: list[bool] = []
        self._constants: list[tuple[int, float]] = []
        self._first: list[Step] = []
        self._then: list[Step] = []

    def build(self, outputs: Sequence[Expression]) -> Kernel:
        common, reduced = sympy.cse(list(outputs), order="none")
        defined = {name for name, _ in common}
        inputs = sorted({s for e in outputs for s in e.free_symbols} - defined, key=lambda s: s.name)
        for one in inputs:
            self._register[one] = self._new(one.name in self._slow_names)
        for name, value in common:
            self._register[name] = self._visit(value)
        places = tuple(self._visit(value) for value in reduced)
        return Kernel(tuple(one.name for one in inputs), tuple(self._constants), tuple(self._first), tuple(self._then),
                      places, len(self._is_slow))

    def _new(self, slow: bool) -> int:
        self._is_slow.append(slow)
        return len(self._is_slow) - 1

    def _constant(self, value: float) -> int:
        key = sympy.Symbol(f"#{value!r}")
        if key not in self._register:
            self._register[key] = self._new(True)
            self._constants.append((self._register[key], value))
        return self._register[key]

    def _step(self, operation: str, *arguments: int) -> int:
        slow = all(self._is_slow[a] for a in arguments)
        target = self._new(slow)
        (self._first if slow else self._then).append(Step(operation, arguments, target))
        return target

    def _fold(self, operation: str, places: list[int]) -> int:
        # Slow operands first, so that as much as possible is done once.
        places.sort(key=lambda place: not self._is_slow[place])
        joined = places[0]
        for place in places[1:]:
            joined = self._step(operation, joined, place)
        return joined

    def _visit(self, expr: Expression) -> int:
        if expr in self._register:
            return self._register[expr]
        if expr.is_Number:
            return self._constant(float(expr))
        if isinstance(expr, sympy.Add | sympy.Mul):
            operation = "add" if isinstance(expr, sympy.Add) else "mul"
            place = self._fold(operation, [self._visit(a) for a in expr.args])
        elif isinstance(expr, sympy.Pow):
            place = self._whole_power(self._visit(expr.base), int(expr.exp))
        else:
            place = self._step(OPERATOR_OF[type(expr)], *(self._visit(a) for a in expr.args))
        self._register[expr] = place
        return place

    def _whole_power(self, base: int, exponent: int) -> int:
        assert exponent > 0
        result = None
        while exponent:
            if exponent & 1:
                result = base if result is None else self._step("mul", result, base)
            exponent >>= 1
            if exponent:
                base = self._step("mul", base, base)
        assert result is not None
        return result
