"""The parser's tree to the frozen syntax tree: precedence, literals, and the columns of folded statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lark
import numpy as np

from kcompile.diagnostics import Reporter, Source, Span, printable
from kcompile.syntax import nodes
from kcompile.syntax.fold import Rows
from kcompile.units import parse_unit, scale_decimal

_Flat = list[Any]
"""Operands (`_Operand`) with operator tokens between them."""


class _Operand:
    """An atom with the prefix operators that stood before it."""

    __slots__ = ("minus", "node", "nots", "start")

    def __init__(self, start: int, nots: int, minus: bool, node: nodes.Expr) -> None:
        self.start, self.nots, self.minus, self.node = start, nots, minus, node


def _kept(children: Sequence[Any], *types: type) -> tuple[Any, ...]:
    return tuple(child for child in children if isinstance(child, types))


class _Subscripts(tuple):
    """Marks the subscripts among the children of a rule."""


class _Named(tuple):
    """`name = value` among the arguments of a call."""


class TreeBuilder(lark.visitors.Transformer_NonRecursive):
    """Builds the nodes of one file; `runs` are the folded runs of its text. Iterative, so depth costs no stack."""

    def __init__(self, source: Source, runs: tuple[Rows, ...], report: Reporter) -> None:
        super().__init__()
        self._source = source
        self._report = report
        self._runs = {int(rows.starts[0]): rows for rows in runs}
        self._numerals = {start: (rows, k, stop) for rows in runs for k, (start, stop) in enumerate(rows.places)}
        self._numeral_starts = np.array(sorted(self._numerals), dtype=np.int64)

    # ---- leaves -------------------------------------------------------------------------------------------------------

    def _span(self, token: lark.Token) -> Span:
        start = token.start_pos or 0
        return Span(self._source, start, start + len(token))

    def _across(self, *parts: Any) -> Span:
        found = [part.span for part in parts if part is not None]
        return found[0].to(found[-1])

    def _columns_in(self, span: Span) -> list[tuple[int, Rows, int, int]]:
        """Folded numerals inside a token: (start, run, column, stop)."""
        if not self._numerals:
            return []
        first, last = np.searchsorted(self._numeral_starts, [span.start - 1, span.stop])
        return [(int(at), *self._numerals[int(at)]) for at in self._numeral_starts[first:last]
                if self._numerals[int(at)][2] <= span.stop]

    def _name(self, token: lark.Token) -> nodes.Name:
        span = self._span(token)
        parts = [part for part in self._columns_in(span) if part[0] >= span.start]
        if not parts:
            return nodes.Name(span, str(token))
        rows = parts[0][1]
        pieces: list[Sequence[str]] = []
        at = span.start
        for start, _, column, stop in parts:
            pieces += [[self._source.text[at:start]] * rows.count, rows.columns[column]]
            at = stop
        pieces.append([self._source.text[at : span.stop]] * rows.count)
        column = tuple(map("".join, zip(*pieces, strict=True)))
        return nodes.Name(span, str(token), column if len(set(column)) > 1 else None)

    def number(self, children: list[lark.Token]) -> nodes.Number:
        span = self._span(children[0])
        numeral, _, unit = str(children[0]).replace("\t", " ").partition(" ")
        try:
            factor, dimension = parse_unit(unit.strip()) if unit.strip() else (1.0, None)
        except ValueError as error:
            self._report.error("KC0104", printable(str(error), 80), span)
            factor, dimension = 1.0, None
        integral = dimension is None and numeral.isdigit()
        value: float | np.ndarray = scale_decimal(numeral, factor)
        if parts := self._columns_in(span):
            _, rows, k, _ = parts[0]
            column = rows.columns[k]
            value = np.array([scale_decimal(cell, factor) for cell in column] if factor != 1.0
                             else list(map(float, column)))
            integral = dimension is None and all(cell.lstrip("-").isdigit() for cell in column)
            value.setflags(write=False)
            if np.all(value == value[0]):  # a literal of every row: 0 fits every dimension, an extent is one number
                value = float(value[0])
        if not np.all(np.isfinite(value)):
            self._report.error("KC0106", "the number is larger than 1.8e308", span)
            value = 1.0
        if integral and np.any(np.abs(value) > 2**53):
            integral = False
        return nodes.Number(span, value, dimension, integral)

    def name(self, children: list[lark.Token]) -> nodes.Name:
        return self._name(children[0])

    # ---- expressions --------------------------------------------------------------------------------------------------

    def operand(self, children: list[Any]) -> _Operand:
        prefixes, node = children[:-1], children[-1]
        nots = sum(token.type == "NOT" for token in prefixes)
        minus = sum(token.type == "MINUS" for token in prefixes) % 2 == 1
        start = (prefixes[0].start_pos or 0) if prefixes else node.span.start
        return _Operand(start, nots, minus, node)

    def expr(self, children: _Flat) -> nodes.Expr:
        if len(children) == 1 and not children[0].nots:  # most expressions are one operand
            return self._prefixed(children[0])
        return self._logical(children, ("or", "and"))

    def _logical(self, flat: _Flat, words: tuple[str, ...]) -> nodes.Expr:
        if not words:
            return self._negation(flat)
        parts, operators = _split(flat, {words[0]})
        built = [self._logical(part, words[1:]) for part in parts]
        return built[0] if len(built) == 1 else nodes.Chain(self._across(*built), tuple(built), tuple(operators))

    def _negation(self, flat: _Flat) -> nodes.Expr:
        first: _Operand = flat[0]
        for operand in flat[2::2]:
            if operand.nots:
                self._report.error("KC0102", "`not` stands before a whole comparison", operand.node.span,
                                   hint="put brackets around it")
        inner = self._comparison(flat)
        if first.nots % 2 == 0:
            return inner if first.nots == 0 else nodes.Unary(inner.span, "not", nodes.Unary(inner.span, "not", inner))
        return nodes.Unary(Span(self._source, first.start, inner.span.stop), "not", inner)

    def _comparison(self, flat: _Flat) -> nodes.Expr:
        parts, operators = _split(flat, {"==", "!=", "<", "<=", ">", ">="})
        built = tuple(self._sum(part) for part in parts)
        return built[0] if len(built) == 1 else nodes.Comparison(self._across(*built), built, tuple(operators))

    def _sum(self, flat: _Flat) -> nodes.Expr:
        parts, operators = _split(flat, {"+", "-"})
        built = tuple(self._product(part) for part in parts)
        return built[0] if len(built) == 1 else nodes.Chain(self._across(*built), built, tuple(operators))

    def _product(self, flat: _Flat) -> nodes.Expr:
        parts, operators = _split(flat, {"*", "/", "%"})
        built = tuple(self._prefixed(part[0]) for part in parts)
        return built[0] if len(built) == 1 else nodes.Chain(self._across(*built), built, tuple(operators))

    def _prefixed(self, operand: _Operand) -> nodes.Expr:
        if not operand.minus:
            return operand.node
        return nodes.Unary(Span(self._source, operand.start, operand.node.span.stop), "-", operand.node)

    def subscripts(self, children: list[Any]) -> _Subscripts:
        return _Subscripts(children)

    def range_or_expr(self, children: list[Any]) -> nodes.Expr | nodes.Range:
        start, stop = children
        return start if stop is None else nodes.Range(self._across(start, stop), start, stop)

    def index(self, children: list[Any]) -> nodes.Index:
        base = self._name(children[0])
        return nodes.Index(self._across(base, children[1][-1]), base, tuple(children[1]))

    def argument(self, children: list[Any]) -> Any:
        name, value = children
        return value if name is None else _Named((self._name(name), value))

    def call(self, children: list[Any]) -> nodes.Call:
        function = self._name(children[0])
        positional: list[nodes.Expr] = []
        named: list[tuple[nodes.Name, nodes.Expr]] = []
        for child in children[1:]:
            if isinstance(child, _Named):
                named.append((child[0], child[1]))
            elif child is not None:
                if named:
                    self._report.error("KC0306", "an argument without a name follows one with a name", child.span)
                positional.append(child)
        last = named[-1][1] if named else positional[-1] if positional else function
        return nodes.Call(self._across(function, last), function, tuple(positional), tuple(named))

    def choice(self, children: list[Any]) -> nodes.Call:
        function = nodes.Name(self._span(children[0]), "if")
        arguments = tuple(child for child in children[1:] if child is not None)
        return nodes.Call(self._across(function, *arguments), function, arguments)

    def group(self, children: list[Any]) -> nodes.Expr:
        return children[0] if len(children) == 1 else nodes.Tuple(self._across(*children), tuple(children))

    def array(self, children: list[Any]) -> nodes.Array:
        return nodes.Array(self._across(*children), tuple(children))

    # ---- declarations -------------------------------------------------------------------------------------------------

    def start(self, children: list[Any]) -> list[nodes.Declaration]:
        return children

    def module(self, children: list[lark.Token]) -> tuple[lark.Token, ...]:
        return tuple(children)

    def use(self, children: list[Any]) -> nodes.Use:
        origin, *rest = children
        names = tuple(self._name(token) for token in rest if token is not None)
        if isinstance(origin, lark.Token):
            return nodes.Use(self._span(origin), str(origin)[1:-1], (), names)
        span = self._span(origin[0]).to(self._span(origin[-1]))
        return nodes.Use(span, None, tuple(map(str, origin)), names)

    def const(self, children: list[Any]) -> nodes.Const:
        name = self._name(children[0])
        return nodes.Const(self._across(name, children[1]), name, children[1])

    def unit_power(self, children: list[Any]) -> tuple[lark.Token, str]:
        name, exponent = children
        return name, str(name) + (f"^{exponent}" if exponent is not None else "")

    def integer(self, children: list[lark.Token]) -> str:
        return "".join(map(str, children))

    def dimension(self, children: list[Any]) -> nodes.DimensionWord:
        text = "".join(child if isinstance(child, lark.Token) else child[1] for child in children)
        span = self._span(children[0][0]).to(self._span(children[-1][0]))
        return nodes.DimensionWord(span, text)

    def interval(self, children: list[Any]) -> nodes.Interval:
        opening, lower, upper, closing = children
        return nodes.Interval(self._span(opening).to(self._span(closing)), lower, upper, opening == "[", closing == "]")

    def param(self, children: list[Any]) -> nodes.Param:
        name, extents, dimension, default, interval, trainable = children
        name = self._name(name)
        span = self._across(name, dimension, default, interval)
        return nodes.Param(span, name, tuple(extents or ()), dimension, default, interval, trainable is not None)

    def state(self, children: list[Any]) -> nodes.State:
        name, dimension, initial = children
        name = self._name(name)
        return nodes.State(self._across(name, dimension, initial), name, dimension, initial)

    def contribution(self, children: list[Any]) -> nodes.Contribution:
        access, *terminals = (self._name(token) for token in children[:-1])
        return nodes.Contribution(self._across(access, children[-1]), access, tuple(terminals), children[-1])

    def equation(self, children: list[Any]) -> nodes.Equation:
        access, *arguments = (self._name(token) for token in children[:-1])
        return nodes.Equation(self._across(access, children[-1]), access, tuple(arguments), children[-1])

    def _with_names(self, children: list[Any], make: Callable[..., Any]) -> Any:
        name, *rest = children
        names = tuple(self._name(token) for token in _kept(rest, lark.Token))
        items = tuple(item for item in rest if item is not None and not isinstance(item, lark.Token))
        name = self._name(name)
        return make(self._across(name, *names), name, names, items)

    def device(self, children: list[Any]) -> nodes.Device:
        return self._with_names(children, nodes.Device)

    def circuit(self, children: list[Any]) -> nodes.Circuit:
        return self._with_names(children, nodes.Circuit)

    def node(self, children: list[Any]) -> nodes.Node:
        name, extents, alias = children
        name = self._name(name)
        last = alias if alias is not None else extents[-1] if extents else name
        return nodes.Node(self._across(name, last), name, tuple(extents or ()), alias)

    def nodes(self, children: list[Any]) -> nodes.Nodes:
        declared = _kept(children, nodes.Node)
        rail = next(iter(_kept(children, nodes.Rail)), None)
        return nodes.Nodes(self._across(*declared), declared, rail)

    def rail(self, children: list[Any]) -> nodes.Rail:
        lower, upper, word, conductance = children
        if word is not None and word != "g":
            self._report.error("KC0102", f"expected `g`, found `{word}`", self._span(word),
                               hint="the clamp's conductance is written `rail [lo, hi] g = ...`")
        return nodes.Rail(self._across(lower, upper, conductance), lower, upper, conductance)

    def target(self, children: list[Any]) -> nodes.Name | nodes.Index:
        name = self._name(children[0])
        if children[1] is None:
            return name
        return nodes.Index(self._across(name, children[1][-1]), name, tuple(children[1]))

    def drive(self, children: list[Any]) -> nodes.Drive:
        return nodes.Drive(self._across(*children[:2]), *children)

    def initial(self, children: list[Any]) -> nodes.Initial:
        return nodes.Initial(self._across(*children[:2]), *children)

    def input(self, children: list[Any]) -> nodes.Input:
        return nodes.Input(self._across(*children), tuple(children))

    def output(self, children: list[Any]) -> nodes.Output:
        return nodes.Output(self._across(*children), tuple(children))

    def pdk(self, children: list[lark.Token]) -> nodes.Pdk:
        name = self._name(children[0])
        return nodes.Pdk(name.span, name)

    def label(self, children: list[Any]) -> tuple[nodes.Name, tuple[Any, ...]]:
        return self._name(children[0]), tuple(children[1] or ())

    def assignment(self, children: list[Any]) -> nodes.Assignment:
        fixed, name, value = children
        name = self._name(name)
        return nodes.Assignment(self._across(name, value), fixed is not None, name, value)

    def assignments(self, children: list[Any]) -> list[nodes.Assignment]:
        return [child for child in children if child is not None]

    def loop(self, children: list[Any]) -> nodes.Loop:
        variable = self._name(children[0])
        return nodes.Loop(self._across(variable, children[1]), variable, children[1])

    def loops(self, children: list[Any]) -> nodes.Loops:
        loops = _kept(children, nodes.Loop)
        parts = [child for child in children if child is not None and not isinstance(child, lark.Token)]
        condition = parts[-1] if not isinstance(parts[-1], nodes.Loop) else None
        return nodes.Loops(self._across(*parts), loops, condition)

    def instance(self, children: list[Any]) -> nodes.Instance:
        model, label, *arguments, assignments, loops = children
        model = self._name(model)
        arguments = [argument for argument in arguments if argument is not None]
        name, indices = label or (None, ())
        assignments = tuple(assignments or ())
        span = self._across(model, name, *arguments, *assignments)
        rows = self._runs.get(span.start)
        return nodes.Instance(span, model, name, indices, tuple(arguments), assignments, loops, rows)

    def phase(self, children: list[Any]) -> nodes.Phase:
        _, name, duration, *items = children
        name = self._name(name)
        return nodes.Phase(self._across(name, duration), name, duration, tuple(i for i in items if i is not None))


def _split(flat: _Flat, operators: set[str]) -> tuple[list[_Flat], list[str]]:
    """Cut a flat list at the given operators."""
    parts: list[_Flat] = [[flat[0]]]
    found: list[str] = []
    for k in range(1, len(flat), 2):
        if flat[k] in operators:
            found.append(str(flat[k]))
            parts.append([flat[k + 1]])
        else:
            parts[-1] += flat[k : k + 2]
    return parts, found
