"""Expressions of SPICE, read into expressions of the language.

Loosest first: `?:`, `||`, `&&`, comparisons, `+ -`, `* /`, signs and `!`, `^ **`; all group to the left but `?:`. Everything is a
plain number: a voltage is a call `V(a, b)` of nodes of the netlist, a parameter a name of the netlist.
"""

from __future__ import annotations

import re

from kcompile.diagnostics import CompileError
from kcompile.imports.spice_function import (
    MAX_DEPTH,
    MAX_OPERANDS,
    as_condition,
    as_number,
    call,
    function,
    is_too_large,
    number,
    signed,
    voltage,
)
from kcompile.imports.spice_text import Card, Word
from kcompile.imports.spice_value import NUMBER, read_number, read_unsigned
from kcompile.syntax import nodes

MAX_NESTING = 48
"""Open brackets and choices of an expression; a program may open 64."""

_TOKEN = re.compile(
    rf"\s*(?:(?P<number>{NUMBER})|(?P<name>[a-z_][a-z0-9_.#!]*)"
    r"|(?P<sign>\*\*|\|\||&&|[=!<>]=|<>|[-+*/^()?:,<>!{}'])|(?P<stray>.))")
_NODES = re.compile(r"\s*\(\s*([^\s(),]+)\s*(?:,\s*([^\s(),]+)\s*)?\)")
_LEVELS = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<>": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5}
_COMPARISON = 3
_WORDS = {"||": "or", "&&": "and", "<>": "!="}


def read_value(word: Word) -> nodes.Expr:
    """A number, or an expression of parameters in `{..}` or `'..'`; raises `CompileError` KC0531, KC0532."""
    if word.text[0] not in "{'":
        return number(read_number(word), word.span)
    if len(word.text) == 1:
        raise word.refuse("KC0531", f"this `{word.text}` is not closed on its card")
    return read_expression(word.card, word.start + 1, word.stop - 1, in_law=False)


def read_expression(card: Card, start: int, stop: int, in_law: bool) -> nodes.Expr:
    """Expression in a part of a card; `in_law`: that of a behavioural source, which may read voltages."""
    return _Parser(card, start, stop, in_law).whole()


class _Parser:
    def __init__(self, card: Card, start: int, stop: int, in_law: bool) -> None:
        self._card, self._start, self._stop, self._in_law = card, start, stop, in_law
        self._depth = self._count = 0
        self._at = start
        self._kind, self._word, self._before = "", Word(card, "", start), start
        self._next()

    def whole(self) -> nodes.Expr:
        found = as_number(self._choice())
        if self._kind:
            raise self._unexpected("an operator or the end")
        if is_too_large(found):
            raise self._too_large()
        return found

    def _too_large(self) -> CompileError:
        problem = f"more than {MAX_OPERANDS:,} operands, or {MAX_DEPTH} operators inside one another"
        return self._card.refuse("KC0535", f"an expression has {problem}")

    # ---- words --------------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        self._before = self._word.stop
        self._count += 1
        if self._count > 2 * MAX_OPERANDS:
            raise self._too_large()
        match = _TOKEN.match(self._card.text, self._at, self._stop)
        if match is None or match.lastgroup is None:
            self._kind, self._word = "", Word(self._card, "", self._stop)
            return
        self._kind, self._at = match.lastgroup, match.end()
        self._word = Word(self._card, match[self._kind], match.start(self._kind))
        if self._kind == "stray":
            raise self._word.refuse("KC0532", f"`{self._word.text}` has no meaning in an expression")

    def _sees(self, *signs: str) -> bool:
        return self._kind == "sign" and self._word.text in signs

    def _take(self, sign: str) -> bool:
        if not self._sees(sign):
            return False
        self._next()
        return True

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise self._unexpected(f"`{sign}`")

    def _unexpected(self, wanted: str) -> CompileError:
        found = f"`{self._word.text[:40]}`" if self._kind else "the end"
        return self._word.refuse("KC0532", f"{wanted} is expected here, not {found}")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._word.refuse("KC0532", f"the expression is nested more than {MAX_NESTING} deep here")
        self._next()

    # ---- operators ----------------------------------------------------------------------------------------------------

    def _choice(self) -> nodes.Expr:
        condition = self._binary(1)
        if not self._sees("?"):
            return condition
        self._deeper()
        then = as_number(self._choice())
        self._need(":")
        other = as_number(self._choice())
        self._depth -= 1
        return call(condition.span, "if", as_condition(condition), then, other)

    def _binary(self, least: int) -> nodes.Expr:
        start = self._word.start
        left = self._unary()
        while self._kind == "sign" and _LEVELS.get(self._word.text, 0) >= least:
            level = _LEVELS[self._word.text]
            operands, operators, texts = [left], [], [self._text_from(start)]
            while self._kind == "sign" and _LEVELS.get(self._word.text) == level:
                if operators and level == _COMPARISON:
                    raise self._word.refuse("KC0532", "a comparison of comparisons has two readings", "write `(a < b) == c`")
                operators.append(_WORDS.get(self._word.text, self._word.text))
                self._next()
                begin = self._word.start
                operands.append(self._binary(level + 1))
                texts.append(self._text_from(begin))
            left = _joined(level, operands, tuple(operators), texts)
        return left

    def _text_from(self, start: int) -> str:
        """What was read from a character on."""
        return self._card.text[start : self._before]

    def _unary(self) -> nodes.Expr:
        signs = []
        while self._sees("+", "-", "!"):
            signs.append(self._word)
            self._next()
        found, minus = self._power(), False
        for sign in reversed(signs):
            if sign.text == "!":
                found, minus = nodes.Unary(sign.span, "not", as_condition(signed(found, minus))), False
            else:
                minus ^= sign.text == "-"
        return signed(found, minus)

    def _power(self) -> nodes.Expr:
        base = self._primary()
        while self._sees("^", "**"):
            span = self._word.span
            self._next()
            minus = False
            while self._sees("+", "-"):
                minus ^= self._word.text == "-"
                self._next()
            base = call(span, "^", as_number(base), signed(as_number(self._primary()), minus))
        return base

    # ---- operands -----------------------------------------------------------------------------------------------------

    def _primary(self) -> nodes.Expr:
        word = self._word
        if self._kind == "number":
            self._next()
            return number(read_unsigned(word), word.span)
        if self._kind == "name":
            return self._named()
        if not self._sees("(", "{", "'"):
            raise self._unexpected("a number, a name or `(`")
        self._deeper()
        found = self._choice()
        self._need({"(": ")", "{": "}", "'": "'"}[word.text])
        self._depth -= 1
        if word.text != "(":
            self._only_brackets(word, found)
        return found

    def _only_brackets(self, word: Word, inside: nodes.Expr) -> None:
        """ngspice drops the braces inside a source: `{a+b}*2` is a + b*2."""
        if isinstance(inside, nodes.Number | nodes.Name | nodes.Call):
            return
        if self._kind or self._card.text[self._start : word.start].strip():
            raise word.refuse("KC0532", "ngspice reads an expression as if such braces were not there", "write round brackets")

    def _named(self) -> nodes.Expr:
        word = self._word
        if word.text in ("v", "i") and self._card.text[word.stop : self._stop].lstrip()[:1] == "(":
            return self._voltage(word)
        self._next()
        if not self._sees("("):
            return nodes.Name(word.span, word.text)
        self._deeper()
        arguments = [as_number(self._choice())]
        while self._take(","):
            arguments.append(as_number(self._choice()))
        self._need(")")
        self._depth -= 1
        return function(word, arguments, self._in_law)

    def _voltage(self, word: Word) -> nodes.Expr:
        if word.text == "i":
            raise word.refuse("KC0532", "the current of a source is not known in a program",
                              "put a resistor there, and read its voltage")
        match = _NODES.match(self._card.text, word.stop, self._stop)
        if match is None:
            raise word.refuse("KC0532", "a voltage is written `v(node)` or `v(node, node)`")
        if not self._in_law:
            raise word.refuse("KC0532", "a voltage stands in a behavioural source only", "write a source B")
        self._at = match.end()
        self._word = Word(self._card, self._card.text[word.start : match.end()], word.start)
        self._next()
        return voltage(self._card.span(word.start, match.end()), match[1], match[2] or "0")


def _joined(level: int, operands: list[nodes.Expr], operators: tuple[str, ...], texts: list[str]) -> nodes.Expr:
    span = operands[0].span
    if level < _COMPARISON:
        return nodes.Chain(span, tuple(map(as_condition, operands)), operators)
    numbers = tuple(map(as_number, operands))
    if level == _COMPARISON:
        return nodes.Comparison(span, numbers, operators)
    return _with_powers(nodes.Chain(span, numbers, operators), texts)


def _with_powers(product: nodes.Chain, texts: list[str]) -> nodes.Expr:
    """`x*x*x` as a power, so that what stands for x is written once."""
    factors: list[tuple[str, nodes.Expr, str, int]] = []
    for operator, operand, text in zip(("*", *product.operators), product.operands, texts, strict=True):
        if factors and operator == factors[-1][0] == "*" and text == factors[-1][2] and not isinstance(operand, nodes.Number):
            factors[-1] = ("*", operand, text, factors[-1][3] + 1)
        else:
            factors.append((operator, operand, text, 1))
    operands = tuple(call(e.span, "pow", e, number(n, e.span)) if n > 1 else e for _, e, _, n in factors)
    if len(factors) == 1:
        return operands[0]
    return nodes.Chain(product.span, operands, tuple(operator for operator, _, _, _ in factors[1:]))
