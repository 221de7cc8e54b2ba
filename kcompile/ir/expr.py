"""Laws as sympy expressions, built from the checked syntax tree and never from text.

Only sums, products and whole positive powers are sympy's own; every other operator is a function of this module without
automatic rewriting, so that the meaning fixed in `meaning.py` survives: sympy would turn x/x into 1 and sqrt(x**2)
into |x|. Potentials are symbols called `V(p)`, parameters and states have their own names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sympy

from kcompile.ir.meaning import SMALLEST
from kcompile.syntax import nodes
from kcompile.syntax.contribution import take_apart
from kcompile.syntax.functions import CONSTANTS, FUNCTIONS, Rule
from kcompile.syntax.infer import call_arguments, literal_number

if TYPE_CHECKING:
    from kcompile.ir.device import DeviceModel

Expression = Any
"""A sympy expression. Its own classes do not tell a type checker what `.args`, `.name` or a sum of two are."""


# sympy makes the classes of functions dynamically; to a type checker a call of one is not an expression.
_Function: Any = sympy.Function


class _Operator(_Function):
    """A function that is only ever taken apart by its derivative."""

    is_real = True

    def _eval_evalf(self, prec):  # numbers are computed by meaning.py alone
        return None


class recip(_Operator):
    nargs = 1

    @classmethod
    def eval(cls, x):
        return number(1.0 / float(x)) if x.is_Number and abs(float(x)) > 1e-300 else None

    def fdiff(self, argindex=1):
        x = self.args[0]
        return select(lt(abs_(x), number(SMALLEST)), 0, -recip(x) ** 2)


class exp(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return exp(self.args[0])


class log(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return select(lt(number(SMALLEST), self.args[0]), recip(self.args[0]), 0)


class sqrt(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return select(lt(0, self.args[0]), recip(sqrt(self.args[0])) / 2, 0)


class power(_Operator):
    """x to a fractional exponent, a number above 0."""

    nargs = 2

    def fdiff(self, argindex=1):
        x, exponent = self.args
        return select(lt(0, x), exponent * raised(x, float(exponent) - 1.0), 0)


class tanh(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return 1 - tanh(self.args[0]) ** 2


class sigmoid(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return sigmoid(self.args[0]) * sigmoid(-self.args[0])


class softplus(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return sigmoid(self.args[0])


class sin(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return cos(self.args[0])


class cos(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return -sin(self.args[0])


class atan(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return recip(1 + self.args[0] ** 2)


class relu(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return lt(0, self.args[0])


class leaky_relu(_Operator):
    nargs = 2

    def fdiff(self, argindex=1):
        x, slope = self.args
        return select(lt(0, x), 1, slope) if argindex == 1 else select(lt(0, x), 0, x)


class abs_(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return sign(self.args[0])


class sign(_Operator):
    nargs = 1

    def fdiff(self, argindex=1):
        return sympy.Integer(0)


class min_(_Operator):
    nargs = 2

    def fdiff(self, argindex=1):
        a, b = self.args
        return le(a, b) if argindex == 1 else lt(b, a)


class max_(_Operator):
    nargs = 2

    def fdiff(self, argindex=1):
        a, b = self.args
        return le(b, a) if argindex == 1 else lt(a, b)


class _Truth(_Operator):
    """A condition, 0 or 1; flat wherever it is differentiable."""

    def fdiff(self, argindex=1):
        return sympy.Integer(0)


class lt(_Truth):
    nargs = 2


class le(_Truth):
    nargs = 2


class eq(_Truth):
    nargs = 2


class ne(_Truth):
    nargs = 2


class both(_Truth):
    nargs = 2


class either(_Truth):
    nargs = 2


class negate(_Truth):
    nargs = 1


class select(_Operator):
    nargs = 3

    def fdiff(self, argindex=1):
        condition = self.args[0]
        return (sympy.Integer(0), condition, negate(condition))[argindex - 1]


OPERATOR_OF = {cls: cls.__name__.rstrip("_") for cls in (
    recip, exp, log, sqrt, power, tanh, sigmoid, softplus, sin, cos, atan, relu, leaky_relu, abs_, sign, min_, max_, lt, le,
    eq, ne, both, either, negate, select)}
"""Operator name in `meaning.OPERATIONS` of each function."""

_FUNCTION = {"exp": exp, "log": log, "sqrt": sqrt, "tanh": tanh, "sigmoid": sigmoid, "softplus": softplus, "sin": sin,
             "cos": cos, "atan": atan, "relu": relu, "leaky_relu": leaky_relu, "abs": abs_, "sign": sign}
_FOLDED = {"min": min_, "max": max_}


@dataclass(frozen=True)
class Branch:
    """Current or capacitance between two terminals; `gnd` is a terminal too."""

    start: str
    stop: str
    value: Expression


@dataclass(frozen=True)
class Law:
    """currents and capacitances per branch, rates and initial values per state, in SI units."""

    currents: tuple[Branch, ...]
    capacitances: tuple[Branch, ...]
    rates: tuple[Expression, ...]
    initials: tuple[Expression, ...]

    def map(self, change: Callable[[Expression], Expression]) -> Law:
        """Law with every expression changed; branches that become zero are gone."""
        currents, charges = ([replace(branch, value=change(branch.value)) for branch in part]
                             for part in (self.currents, self.capacitances))
        return Law(tuple(b for b in currents if b.value != 0), tuple(b for b in charges if b.value != 0),
                   tuple(map(change, self.rates)), tuple(map(change, self.initials)))

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression of the law."""
        return (*(branch.value for branch in (*self.currents, *self.capacitances)), *self.rates, *self.initials)


def number(value: float) -> Expression:
    """sympy number that is exactly this float; whole values become integers so that 2.0*x and 2*x are one."""
    if value == int(value) and abs(value) < 2**53 if abs(value) < 1e300 else False:
        return sympy.Integer(int(value))
    return sympy.Float(value, precision=53)


def whole_numbers(expr: Expression) -> Expression:
    """Expression with every whole number as an integer: arithmetic of floats leaves 2.0 where sympy compares 2."""
    return expr.xreplace({value: number(float(value)) for value in expr.atoms(sympy.Float)})


def potential(terminal: str) -> Expression:
    """Symbol of a terminal's voltage against gnd."""
    return sympy.Integer(0) if terminal == "gnd" else sympy.Symbol(f"V({terminal})", real=True)


def symbol(name: str) -> sympy.Symbol:
    """Symbol of a parameter or state."""
    return sympy.Symbol(name, real=True)


def raised(x: Expression, exponent: float) -> Expression:
    """x to a constant: products for whole exponents, guarded division for negative ones."""
    if exponent < 0:
        return recip(raised(x, -exponent))
    if exponent == int(exponent):
        return x ** int(exponent)
    return power(x, number(exponent))


def build_law(model: DeviceModel) -> Law:
    """Law of a device whose definition has passed the checker."""
    builder = _LawBuilder(dict(model.constants))
    # Terms are collected and added at once: sympy takes minutes to add five thousand one by one.
    currents: defaultdict[tuple[str, str], list[Expression]] = defaultdict(list)
    capacitances: defaultdict[tuple[str, str], list[Expression]] = defaultdict(list)
    rates: dict[str, Expression] = {}
    initials: dict[str, Expression] = {}
    for item in model.definition.items:
        if isinstance(item, nodes.Contribution):
            ends = [terminal.id for terminal in item.terminals] + ["gnd"] * (2 - len(item.terminals))
            branch = (ends[0], ends[1])
            parts = take_apart(item.value)
            for negative, term in parts.currents:
                value = builder.expr(term)
                currents[branch].append(-value if negative else value)
            for charge in parts.charges:
                value = builder.expr(charge.coefficient)
                backwards = charge.negative != (_ends(charge.voltage) != branch)
                capacitances[branch].append(-value if backwards else value)
        elif isinstance(item, nodes.Equation):
            rates[item.arguments[0].id] = builder.expr(item.value)
        elif isinstance(item, nodes.State):
            initials[item.name.id] = builder.expr(item.initial) if item.initial else sympy.Integer(0)
    return Law(
        _branches(currents),
        _branches(capacitances),
        tuple(rates[state.name] for state in model.states),
        tuple(initials[state.name] for state in model.states),
    )


def _branches(terms: Mapping[tuple[str, str], list[Expression]]) -> tuple[Branch, ...]:
    """One branch for each pair of terminals whose terms do not cancel."""
    sums = {branch: sympy.Add(*values) for branch, values in terms.items()}
    return tuple(Branch(*branch, value) for branch, value in sums.items() if value != 0)


def _ends(call: nodes.Call) -> tuple[str, str]:
    ends = [argument.id for argument in call.arguments if isinstance(argument, nodes.Name)]
    return (ends[0], ends[1]) if len(ends) == 2 else (ends[0], "gnd")


class _LawBuilder:
    def __init__(self, constants: dict[str, float]) -> None:
        self._constants = {**CONSTANTS, **constants}

    def expr(self, expr: nodes.Expr) -> Expression:
        match expr:
            case nodes.Number():
                return number(float(expr.value))
            case nodes.Name():
                return self._name(expr.id)
            case nodes.Unary(operator="not"):
                return negate(self.expr(expr.operand))
            case nodes.Unary():
                return -self.expr(expr.operand)
            case nodes.Chain():
                return self._chain(expr)
            case nodes.Comparison():
                return self._comparison(expr)
            case nodes.Call():
                return self._call(expr)
        raise AssertionError(f"the checker lets no {type(expr).__name__} into a law")

    def _name(self, name: str) -> Expression:
        return number(self._constants[name]) if name in self._constants else symbol(name)

    def _chain(self, expr: nodes.Chain) -> Expression:
        operands = [self.expr(operand) for operand in expr.operands]
        first = expr.operators[0]
        if first in "+-":
            signs = ("+", *expr.operators)
            return sympy.Add(*(v if s == "+" else -v for s, v in zip(signs, operands, strict=True)))
        if first in "*/":
            signs = ("*", *expr.operators)
            return sympy.Mul(*(v if s == "*" else recip(v) for s, v in zip(signs, operands, strict=True)))
        joined = operands[0]
        for operand in operands[1:]:
            joined = both(joined, operand) if first == "and" else either(joined, operand)
        return joined

    def _comparison(self, expr: nodes.Comparison) -> Expression:
        operands = [self.expr(operand) for operand in expr.operands]
        make = {"<": lt, "<=": le, "==": eq, "!=": ne, ">": lambda a, b: lt(b, a), ">=": lambda a, b: le(b, a)}
        joined = make[expr.operators[0]](operands[0], operands[1])
        for k, operator in enumerate(expr.operators[1:], start=1):
            joined = both(joined, make[operator](operands[k], operands[k + 1]))
        return joined

    def _call(self, expr: nodes.Call) -> Expression:
        name = expr.function.id
        if name == "V":
            start, stop = _ends(expr)
            return potential(start) - potential(stop)
        function = FUNCTIONS[name]
        arguments = call_arguments(expr, function) or []
        if function.rule is Rule.POWER:
            exponent = literal_number(arguments[1])
            assert exponent is not None
            return raised(self.expr(arguments[0]), exponent)
        values = [self.expr(argument) for argument in arguments]
        if function.rule is Rule.CHOICE:
            return select(*values)
        if name in _FOLDED:
            joined = values[0]
            for value in values[1:]:
                joined = _FOLDED[name](joined, value)
            return joined
        return _FUNCTION[name](*values)
