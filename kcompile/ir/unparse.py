"""Laws back to the syntax of the language, so that a pass that rewrites a law gives a device anybody can read.

Numbers lose their units in sympy. They come back from what is around them: symbols have dimensions, a sum has one for all
its terms, a function says what it takes; whatever is missing to the wanted dimension becomes the unit of a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import sympy

from kcompile.diagnostics import Span
from kcompile.ir import expr as law
from kcompile.ir.device import DeviceModel, Param
from kcompile.ir.expr import Branch, Expression, Law
from kcompile.syntax import nodes
from kcompile.syntax.functions import FUNCTIONS, Rule
from kcompile.units import CAPACITANCE, CURRENT, MAX_EXPONENT, REAL, TIME, VOLTAGE, Dimension

_COMPARED = {law.lt: "<", law.le: "<=", law.eq: "==", law.ne: "!="}
_TRUTHS = (*_COMPARED, law.both, law.either, law.negate)
_POTENTIAL = "V("


def with_law(model: DeviceModel, changed: Law, params: Sequence[Param] | None = None) -> DeviceModel:
    """Model with another law over the same terminals and states; `params` are those that are left, all by default."""
    kept = model.params if params is None else tuple(params)
    names = {param.name for param in kept}
    writer = _Writer(model)
    items: list[nodes.DeviceItem] = [item for item in model.definition.items
                                     if isinstance(item, nodes.Param) and item.name.id in names]
    places = {state.name: k for k, state in enumerate(model.states)}
    for item in model.definition.items:
        if isinstance(item, nodes.State):
            k = places[item.name.id]
            initial = changed.initials[k]
            value = writer.write(initial, model.states[k].dimension) if initial != 0 else None
            items.append(replace(item, initial=value))
    items += [writer.contribution(branch, False) for branch in changed.currents]
    items += [writer.contribution(branch, True) for branch in changed.capacitances]
    for state, rate in zip(model.states, changed.rates, strict=True):
        name = nodes.Name(model.definition.span, state.name)
        items.append(nodes.Equation(model.definition.span, nodes.Name(model.definition.span, "ddt"), (name,),
                                    writer.write(rate, state.dimension / TIME)))
    return replace(model, params=kept, definition=replace(model.definition, items=tuple(items)))


def literal(span: Span, value: float, dimension: Dimension) -> nodes.Expr:
    """A value in SI units as the language writes it; 0 and infinity fit every dimension."""
    if value < 0:
        return nodes.Unary(span, "-", literal(span, -value, dimension))
    if value == float("inf"):
        return nodes.Name(span, "inf")
    fits = value == 0 or dimension == REAL
    return nodes.Number(span, value, None if fits else dimension, value.is_integer() and value < 2**53)


class _Writer:
    def __init__(self, model: DeviceModel) -> None:
        self._span: Span = model.definition.span
        self._dimensions = {one.name: one.dimension for one in (*model.params, *model.states)}
        self._dimensions |= {f"V({terminal})": VOLTAGE for terminal in model.terminals}

    def contribution(self, branch: Branch, is_charge: bool) -> nodes.Contribution:
        ends = tuple(self._name(end) for end in (branch.start, branch.stop) if end != "gnd" or end == branch.start)
        if is_charge:
            across = nodes.Call(self._span, self._name("V"), ends)
            inside = self._chain([self.write(branch.value, CAPACITANCE), across], ["*"])
            value: nodes.Expr = nodes.Call(self._span, self._name("ddt"), (inside,))
        else:
            value = self.write(branch.value, CURRENT)
        return nodes.Contribution(self._span, self._name("I"), ends, value)

    def write(self, expr: Expression, wanted: Dimension) -> nodes.Expr:
        """Syntax of an expression, with units that give it the wanted dimension."""
        if expr.is_Number:
            return self._number(float(expr), wanted)
        if isinstance(expr, sympy.Add):
            return self._sum(expr, wanted)
        if isinstance(expr, law.relu | law.abs_ | law.min_ | law.max_ | law.leaky_relu):
            slope = [self.write(part, REAL) for part in expr.args[1:]] if isinstance(expr, law.leaky_relu) else None
            passed = expr.args[:1] if slope is not None else expr.args
            return self._call(law.OPERATOR_OF[type(expr)], *(self.write(part, wanted) for part in passed), *(slope or ()))
        if isinstance(expr, law.select):
            return self._call("if", self._condition(expr.args[0]), *(self.write(part, wanted) for part in expr.args[1:]))
        return self._product(expr, wanted)

    def dimension(self, expr: Expression) -> Dimension | None:
        """Dimension that an expression has of its own; None where numbers alone decide it."""
        if expr.is_Number:
            return None
        if expr.is_Symbol:
            return self._dimensions[expr.name]
        if isinstance(expr, sympy.Mul):
            product = REAL
            for factor in expr.args:
                product *= self.dimension(factor) or REAL
            return product
        if isinstance(expr, sympy.Pow):
            return (self.dimension(expr.base) or REAL) ** int(expr.exp)
        if isinstance(expr, law.recip):
            return (self.dimension(expr.args[0]) or REAL) ** -1
        kept = expr.args if isinstance(expr, sympy.Add | law.relu | law.abs_ | law.min_ | law.max_) else (
            expr.args[:1] if isinstance(expr, law.leaky_relu) else expr.args[1:] if isinstance(expr, law.select) else None)
        if kept is None:
            return REAL
        return next((found for found in map(self.dimension, kept) if found is not None), None)

    # ---- sums and products --------------------------------------------------------------------------------------------

    def _sum(self, expr: Expression, wanted: Dimension) -> nodes.Expr:
        left = list(expr.args)
        parts: list[tuple[str, nodes.Expr]] = []
        for plus, minus, coefficient in self._pairs(left):
            voltage = self._voltage(plus, minus)
            if coefficient != 1.0 or wanted != VOLTAGE:
                voltage = self._chain([self._number(coefficient, wanted / VOLTAGE), voltage], ["*"])
            parts.append(("+", voltage))
        for term in left:
            negative = term.as_coeff_Mul()[0].is_negative
            parts.append(("-" if negative else "+", self.write(-term if negative else term, wanted)))
        parts.sort(key=lambda part: part[0] == "-")
        (sign, first), *rest = parts
        if sign == "-":
            first = self._minus(first)
        return self._chain([first, *(value for _, value in rest)], [sign for sign, _ in rest])

    def _pairs(self, terms: list[Expression]) -> Iterator[tuple[Expression, Expression, float]]:
        """(a, b, c) of each c * V(a) - c * V(b) among the terms, which are taken out: sympy multiplies differences out."""
        split = {term: term.as_coeff_Mul() for term in terms}
        potentials = [term for term in terms if self._is_potential(split[term][1])]
        for term in potentials:
            coefficient, symbol = split[term]
            other = next((o for o in potentials if o in terms and split[o][0] == -coefficient), None)
            if coefficient > 0 and term in terms and other is not None:
                terms.remove(term)
                terms.remove(other)
                yield symbol, split[other][1], float(coefficient)

    def _product(self, expr: Expression, wanted: Dimension) -> nodes.Expr:
        """Coefficient first, then factors, then denominators."""
        # As people write it: parameters, then voltages, then functions.
        factors = sorted(expr.args if isinstance(expr, sympy.Mul) else (expr,),
                         key=lambda factor: (not factor.is_Symbol, self._is_potential(factor)))
        coefficient = 1.0
        above: list[nodes.Expr] = []
        below: list[nodes.Expr] = []
        found = REAL
        for factor in factors:
            if factor.is_Number:
                coefficient *= float(factor)
                continue
            own = self.dimension(factor) or REAL
            found *= own
            if isinstance(factor, law.recip):
                below.append(self.write(factor.args[0], own**-1))
            else:
                above.append(self._factor(factor, own))
        unit = wanted / found
        if abs(coefficient) != 1.0 or unit != REAL or not above:
            above.insert(0, self._number(abs(coefficient), unit))
        if coefficient < 0:
            above[0] = self._minus(above[0])
        return self._chain([*above, *below], ["*"] * (len(above) - 1) + ["/"] * len(below))

    def _factor(self, expr: Expression, own: Dimension) -> nodes.Expr:
        if expr.is_Symbol:
            return self._voltage(expr, None) if self._is_potential(expr) else self._name(expr.name)
        if isinstance(expr, sympy.Pow):
            base = self.dimension(expr.base) or REAL
            whole = int(expr.exp)
            each = [MAX_EXPONENT] * (whole // MAX_EXPONENT) + [whole % MAX_EXPONENT] * (whole % MAX_EXPONENT > 0)
            powers = [self._call("pow", self.write(expr.base, base), self._number(float(e), REAL)) for e in each]
            return self._chain(powers, ["*"] * (len(powers) - 1))
        if isinstance(expr, law.power):
            return self._call("pow", self.write(expr.args[0], REAL), self._number(float(expr.args[1]), REAL))
        if isinstance(expr, _TRUTHS):
            return self._call("if", self._condition(expr), self._number(1.0, REAL), self._number(0.0, REAL))
        name = law.OPERATOR_OF.get(type(expr), "")
        if name in FUNCTIONS and FUNCTIONS[name].rule in (Rule.REAL, Rule.SIGN):
            inner = REAL if FUNCTIONS[name].rule is Rule.REAL else self.dimension(expr.args[0]) or REAL
            return self._call(name, self.write(expr.args[0], inner))
        return self.write(expr, own)  # a sum, or a function that keeps the dimension

    # ---- parts --------------------------------------------------------------------------------------------------------

    def _condition(self, expr: Expression) -> nodes.Expr:
        if isinstance(expr, law.both | law.either):
            word = "and" if isinstance(expr, law.both) else "or"
            return self._chain([self._condition(part) for part in expr.args], [word])
        if isinstance(expr, law.negate):
            return nodes.Unary(self._span, "not", self._condition(expr.args[0]))
        if type(expr) in _COMPARED:
            shared = next((d for d in map(self.dimension, expr.args) if d is not None), REAL)
            return nodes.Comparison(self._span, tuple(self.write(part, shared) for part in expr.args), (_COMPARED[type(expr)],))
        return nodes.Comparison(self._span, (self.write(expr, self.dimension(expr) or REAL), self._number(0.0, REAL)), ("!=",))

    def _is_potential(self, expr: Expression) -> bool:
        return bool(expr.is_Symbol) and expr.name.startswith(_POTENTIAL)

    def _voltage(self, plus: Expression, minus: Expression | None) -> nodes.Expr:
        ends = [one.name[len(_POTENTIAL) : -1] for one in (plus, minus) if one is not None]
        return self._call("V", *(self._name(end) for end in ends))

    def _number(self, value: float, dimension: Dimension) -> nodes.Expr:
        return literal(self._span, value, dimension)

    def _minus(self, operand: nodes.Expr) -> nodes.Expr:
        return nodes.Unary(self._span, "-", operand)

    def _chain(self, operands: list[nodes.Expr], operators: list[str]) -> nodes.Expr:
        return nodes.Chain(self._span, tuple(operands), tuple(operators)) if operators else operands[0]

    def _call(self, name: str, *arguments: nodes.Expr) -> nodes.Expr:
        return nodes.Call(self._span, self._name(name), arguments)

    def _name(self, name: str) -> nodes.Name:
        return nodes.Name(self._span, name)
