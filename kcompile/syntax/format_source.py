"""The standard layout of a program: blanks and indentation only; line breaks and comments are the author's."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kcompile.diagnostics import Reporter, Source
from kcompile.syntax.parse import parse
from kcompile.units import UNIT_PATTERN

INDENT = 4

# The program parses when these are searched, so no character falls between them; longer signs stand before shorter ones.
_TOKENS = re.compile(
    r"(?P<breaks>(?:[ \t\r]*\n)+)|(?P<comment>//[^\n]*)|(?P<string>\"[^\"\n]*\")|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    rf"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:[ \t]+{UNIT_PATTERN})?)"
    r"|(?P<sign>\.\.|<\+|[=!<>]=|[-+*/%<>=(){}\[\],;:.^])")
_STRING_OR_COMMENT = re.compile(r"(\"[^\"\n]*\")|//[^\n]*")

_WORDS = frozenset("use const device param in trainable state circuit node rail drive initial input output pdk phase for "
                   "fixed".split())
_BINARY = frozenset(["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "=", "<+", "and", "or"])
_OPENING = frozenset(["(", "[", "{", ",", ":", ";", "..", "^", "sign", "not", "none"])
_NEXT_IS_OPERAND = _BINARY | _OPENING | _WORDS | {"filter"}
"""Tokens after which an expression starts, so that a minus is a sign and an `if` a function."""
_IN_DIMENSION = frozenset(["*", "/", "-"])
_TIGHT_BEFORE = frozenset([",", ";", ")", "]", "..", ".", ":", "^"])
_TIGHT_AFTER = frozenset(["(", "[", "..", ".", "^", "sign"])
_CALLED = frozenset(["name", "]", "choice"])
_BODIES = frozenset(["device", "circuit", "phase"])


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token or comment: its text, what it is (`_kind`), and the line breaks in front of it."""

    text: str
    kind: str
    breaks: int


def format_source(source: Source) -> str:
    """Text in the standard layout, with the same syntax tree; raises `CompileError` when the program does not parse."""
    _require_syntax(source)
    lines = _Lines()
    for piece in _pieces(source.text):
        lines.add(piece)
    return lines.text()


def _require_syntax(source: Source) -> None:
    # Comments keep alike lines from being read as one (fold.py); without them the parser takes seconds, not minutes.
    bare = Source(source.name, _STRING_OR_COMMENT.sub(lambda match: match[1] or "", source.text))
    for candidate in (bare, source):
        report = Reporter()
        parse(candidate, report)
        if not report.failed:
            return
    report.raise_errors()


def _pieces(text: str) -> Iterator[_Piece]:
    """Tokens and comments of a program in order."""
    breaks, before = 0, "none"
    for match in _TOKENS.finditer(text):
        group, found = match.lastgroup, match[0]
        if group == "breaks":
            breaks = found.count("\n")
            continue
        if group == "comment":
            yield _Piece(found.rstrip(), "comment", breaks)
        else:
            before = _kind(group or "", found, before)
            yield _Piece(" ".join(found.split()) if group == "number" else found, before, breaks)
        breaks = 0


def _kind(group: str, text: str, before: str) -> str:
    """What a token is: name, number, string, sign (unary minus), choice or filter (`if`), else its own text."""
    if text == "-":
        return "sign" if before in _NEXT_IS_OPERAND else "-"
    if text == "if":
        return "choice" if before in _NEXT_IS_OPERAND else "filter"
    if group == "word" and text not in _WORDS and text not in ("and", "or", "not"):
        return "name"
    return group if group in ("number", "string") else text


@functools.cache
def _blank(before: str, kind: str, dimension: bool) -> str:
    """What stands between two tokens of a line; `dimension`: they belong to the dimension of a parameter."""
    if before == "{" or kind == "}":
        return "" if before == "{" and kind == "}" else " "
    if kind in _TIGHT_BEFORE or before in _TIGHT_AFTER:
        return ""
    if dimension and (before in _IN_DIMENSION or kind in _IN_DIMENSION):
        return ""
    if kind == "(":
        return "" if before in _CALLED else " "
    if kind == "[":
        return "" if before == "name" else " "
    return " "


class _Lines:
    """Puts pieces on lines; knows the open brackets and whether a statement is under way."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[str] = []  # open brackets; `body` is the brace of a device, circuit or phase
        self._depth = 0
        self._before = "none"
        self._statement = ""  # first token of the statement under way, empty between statements
        self._inside = False  # whether a new line goes on with a statement or an assignment
        self._dimension = False

    def text(self) -> str:
        """Everything placed so far, ending with one line break."""
        return "".join(self._parts) + "\n" if self._parts else ""

    def add(self, piece: _Piece) -> None:
        kind = piece.kind
        if not self._parts:
            self._parts.append(piece.text)
        elif piece.breaks:
            depth = self._depth - (kind == "}") + (self._inside and kind != "}")
            self._parts.append("\n" * min(piece.breaks, 2) + " " * (INDENT * depth) + piece.text)
        else:
            gap = "  " if kind == "comment" else _blank(self._before, kind, self._dimension)
            self._parts.append(gap + piece.text)
        if kind != "comment":
            self._follow(kind)

    def _follow(self, kind: str) -> None:
        self._before = kind
        self._statement = self._statement or kind
        self._inside = True
        if kind in ("(", "[", "{"):
            self._enter(kind)
        elif kind in (")", "]", "}"):
            self._leave(kind)
        elif kind == ";":
            self._statement, self._inside = "", False
        elif kind == ",":
            self._inside = self._open[-1:] != ["{"]  # the next assignment of an instance starts its own line
        if kind == ":":
            self._dimension = True
        elif kind in ("=", "in", ";", "trainable"):
            self._dimension = False

    def _enter(self, kind: str) -> None:
        body = kind == "{" and self._statement in _BODIES
        self._open.append("body" if body else kind)
        if kind == "{":
            self._depth += 1
            self._inside = False
        if body:
            self._statement = ""

    def _leave(self, kind: str) -> None:
        opened = self._open.pop()
        if kind == "}":
            self._depth -= 1
        if opened == "body":
            self._statement, self._inside = "", False
