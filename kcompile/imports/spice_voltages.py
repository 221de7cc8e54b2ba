"""Which nodes of a circuit have an equation, and what the voltages of the others are.

A node at a V source to ground is driven. Of the nodes that other voltage sources join, one keeps its equation; the voltage of
each other is that of this one and the voltages between, and all currents flow into the one. So a source in series costs nothing,
and the output of an E source is an expression wherever it is read.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable
from dataclasses import dataclass

from kcompile.diagnostics import CompileError, Diagnostic, Span
from kcompile.imports.spice_elements import Element, Law, Source
from kcompile.imports.spice_function import (
    MAX_DEPTH,
    MAX_OPERANDS,
    chain,
    evaluate,
    is_too_large,
    is_voltage,
    number,
    replaced,
    signed,
    voltage,
)
from kcompile.imports.spice_text import Card
from kcompile.syntax import nodes
from kcompile.syntax.contribution import calls


@dataclass(frozen=True, slots=True)
class _Step:
    """A source that gives a node its voltage against another one."""

    start: str
    card: Card
    value: nodes.Expr
    minus: bool


class Voltages:
    """Voltages of one circuit; `ports` are nodes whose voltage is another circuit's affair."""

    def __init__(self, elements: Iterable[Element], ports: Iterable[str] = ()) -> None:
        self.drives: dict[str, tuple[Source, bool]] = {}
        """Source of each driven node, and whether its plus is ground. A source in series drives a node of its own name."""
        self._joined: dict[str, list[tuple[str, Element, nodes.Expr, bool]]] = {}
        self._steps: dict[str, _Step] = {}
        self._places: dict[str, str] = {}
        self._offsets: dict[str, nodes.Expr] = {}
        for element in elements:
            if isinstance(element, Source) and element.letter == "v":
                self._source(element)
            elif isinstance(element, Law) and element.is_voltage:
                self._join(element, element.value)
        known = {"0", *self.drives, *ports}
        for start in ("0", *self.drives, *ports, *self._joined):
            if start not in self._places:
                self._follow(start, known)
        self._compute()

    def _source(self, source: Source) -> None:
        plus, minus = source.ends
        if plus == minus:
            raise source.card.refuse("KC0537", "both ends of this source are one node")
        if "0" in (plus, minus):
            node = minus if plus == "0" else plus
            if node in self.drives:
                raise source.card.refuse("KC0537", f"the voltage of `{node[:40]}` is given twice, first at "
                                         f"{self.drives[node][0].card.span()}")
            self.drives[node] = source, plus == "0"
        elif source.kind == "dc":
            self._join(source, source.arguments[0])
        else:
            node = f"{source.name}.wave"  # no node of a netlist has a point in its name
            self.drives[node] = source, False
            self._join(source, voltage(source.card.span(), node, "0"))

    def _join(self, element: Law | Source, value: nodes.Expr) -> None:
        plus, minus = element.ends
        self._joined.setdefault(minus, []).append((plus, element, value, False))
        self._joined.setdefault(plus, []).append((minus, element, value, True))

    def _follow(self, start: str, known: set[str]) -> None:
        """Find a step to every node that sources join to `start`."""
        self._places[start] = start
        used: set[int] = set()
        waiting = [start]
        while waiting:
            node = waiting.pop()
            for other, element, value, minus in self._joined.get(node, ()):
                if id(element) in used:
                    continue
                used.add(id(element))
                if other in self._places or other in known:
                    raise element.card.refuse("KC0537", f"the voltage between `{node[:40]}` and `{other[:40]}` is given already",
                                              "two voltages that are known, or ports, or a loop of sources leave no equation")
                self._places[other] = start
                self._steps[other] = _Step(node, element.card, value, minus)
                waiting.append(other)

    def _compute(self) -> None:
        """Write voltages with those of nodes that keep theirs, such first as others read."""
        read = {node: [step.start, *(one for call in calls(step.value) if is_voltage(call) for one in names_of(call))]
                for node, step in self._steps.items()}
        try:
            order = tuple(graphlib.TopologicalSorter(read).static_order())
        except graphlib.CycleError as error:
            node = next(one for one in error.args[1] if one in self._steps)
            raise self._steps[node].card.refuse("KC0537", f"the voltage of `{node[:40]}` depends on itself through sources alone",
                                                "a capacitor in the loop gives it an equation") from None
        for node in order:
            if node in self._steps:
                step = self._steps[node]
                value, before = self.rewritten(step.value, step.card), self.offset(step.start)
                offset = signed(value, step.minus) if before is None else chain("-" if step.minus else "+", before, value)
                if is_too_large(offset):
                    raise _too_large(step.card)
                if evaluate(offset, {}) != 0:
                    self._offsets[node] = offset

    def place(self, node: str) -> str:
        """The node whose equation the currents of a node belong to; ground and driven nodes have none."""
        return self._places.get(node, node)

    def offset(self, node: str) -> nodes.Expr | None:
        """Voltage of a node against its `place`, made of voltages of nodes that keep theirs; None for 0."""
        return self._offsets.get(node)

    def rewritten(self, expr: nodes.Expr, card: Card) -> nodes.Expr:
        """The expression with voltages of nodes that keep theirs; raises `CompileError` KC0535."""
        if not self._steps:
            return expr
        found = replaced(expr, lambda part: self._between(part) if is_voltage(part) else None)
        if is_too_large(found):
            raise _too_large(card)
        return found

    def _between(self, part: nodes.Expr) -> nodes.Expr:
        plus, minus = names_of(part)
        start, stop = self.place(plus), self.place(minus)
        terms = [(False, voltage(part.span, start, stop))] if start != stop else []
        terms += [(sign, term) for sign, term in ((False, self.offset(plus)), (True, self.offset(minus))) if term is not None]
        if not terms:
            return number(0, part.span)
        (sign, first), *rest = terms
        if not rest:
            return signed(first, sign)
        operators = tuple("-" if sign else "+" for sign, _ in rest)
        return nodes.Chain(part.span, (signed(first, sign), *(term for _, term in rest)), operators)


def _too_large(card: Card) -> CompileError:
    return card.refuse("KC0535", f"with computed voltages written out the expression has more than {MAX_OPERANDS:,} operands, or "
                       f"{MAX_DEPTH} operators inside one another")


def names_of(call: nodes.Expr) -> tuple[str, str]:
    """Nodes of a voltage."""
    assert isinstance(call, nodes.Call)
    plus, minus = (argument.id for argument in call.arguments if isinstance(argument, nodes.Name))
    return plus, minus


def no_equation(node: str, span: Span) -> Diagnostic:
    """What is said of a node without a capacitor."""
    return Diagnostic("KC0536", f"the node `{node[:40]}` has no capacitor and no source, so a program has no equation for it",
                      span, hint=f"add a small one, `Cname {node[:40]} 0 1f`, or join the elements that meet there")


def loose_island(node: str, span: Span) -> Diagnostic:
    """What is said of a node whose capacitors lead nowhere."""
    return Diagnostic("KC0536", f"the node `{node[:40]}` is held by capacitors that reach neither ground nor a source", span,
                      hint=f"add a capacitor to ground, `Cname {node[:40]} 0 1f`")


def reads_voltages(expr: nodes.Expr) -> bool:
    """Whether an expression changes with a voltage."""
    return any(call.function.id == "V" for call in calls(expr))

