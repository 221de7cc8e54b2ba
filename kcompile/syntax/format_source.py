"""The standard layout of a program: blanks and indentation only; line breaks and comments are the author's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kcompile.diagnostics import Reporter, Source
from kcompile.syntax.parse import parse, parser

INDENT = 4

_COMMENT = re.compile(r"//[^\n]*")
_TIGHT_BEFORE = {",", ";", ")", "]", "..", ".", ":", "^"}
_TIGHT_AFTER = {"(", "[", "..", ".", "^"}
_OPERATORS = {"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "=", "<+", "and", "or", "not"}
_WORDS = {"in", "for", "if", "rail", "drive", "initial", "input", "output", "const", "param", "state", "node", "use", "pdk",
          "phase", "circuit", "device", "fixed", "trainable"}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token or comment, and the line breaks in front of it."""

    text: str
    kind: str
    breaks: int


def format_source(source: Source) -> str:
    """Text in the standard layout, with the same tree; raises `CompileError` when the program does not parse."""
    report = Reporter()
    parse(source, report)
    report.raise_errors()
    return _Layout().text(_pieces(source.text))


def _pieces(text: str) -> Iterator[_Piece]:
    at = 0
    for token in parser().lex(text):
        start = token.start_pos or 0
        yield from _comments(text[at:start])
        gap = _COMMENT.split(text[at:start])[-1]
        body = " ".join(token.split()) if token.type == "NUMBER" else str(token)
        yield _Piece(body, token.type, gap.count("\n"))
        at = start + len(token)
    yield from _comments(text[at:])


def _comments(gap: str) -> Iterator[_Piece]:
    at = 0
    for match in _COMMENT.finditer(gap):
        yield _Piece(match[0].rstrip(), "COMMENT", gap.count("\n", at, match.start()))
        at = match.end()


class _Layout:
    """Puts pieces on lines; knows how deep it is and whether a statement is under way."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line = ""
        self._depth = 0
        self._brackets = 0
        self._open = False
        self._dimension = False
        self._before: list[_Piece] = []

    def text(self, pieces: Iterator[_Piece]) -> str:
        for piece in pieces:
            self._place(piece)
            self._follow(piece)
        self._end_line()
        return "\n".join(self._lines).strip("\n") + "\n" if self._lines else ""

    def _place(self, piece: _Piece) -> None:
        first = not self._lines and not self._line
        if piece.breaks or first:
            self._end_line()
            if piece.breaks > 1 and not first:
                self._lines.append("")
            closes = piece.text == "}"
            goes_on = (self._open or piece.text in ("for", "if")) and not closes
            self._line = " " * (INDENT * (self._depth - closes + goes_on)) + piece.text
        elif piece.kind == "COMMENT":
            self._line += f"  {piece.text}"
        else:
            self._line += " " * self._blank(piece) + piece.text

    def _end_line(self) -> None:
        if self._line:
            self._lines.append(self._line)
        self._line = ""

    def _follow(self, piece: _Piece) -> None:
        if piece.kind == "COMMENT":
            return
        self._before = [*self._before[-1:], piece]
        text = piece.text
        self._brackets += (text in ("(", "[")) - (text in (")", "]"))
        self._depth += (text == "{") - (text == "}")
        self._open = text not in (";", "{", "}") or self._brackets > 0
        if text == ":":
            self._dimension = True
        elif text in ("=", "in", ";", "trainable"):
            self._dimension = False

    def _blank(self, piece: _Piece) -> bool:
        """Whether a blank stands between the last piece and this one."""
        last, text = self._before[-1], piece.text
        if last.text == "{":
            return text != "}"
        if text in _TIGHT_BEFORE or last.text in _TIGHT_AFTER:
            return False
        if self._dimension and (last.kind == "OPERATOR" or piece.kind == "OPERATOR"):
            return False
        if last.kind == "MINUS" and self._is_prefix():
            return False
        if text == "(":
            return not self._is_called(last)
        if text == "[":
            return last.text in _OPERATORS | _WORDS | {",", "{"}
        return True

    def _is_prefix(self) -> bool:
        """Whether the minus just placed is a sign."""
        previous = self._before[-2] if len(self._before) > 1 else None
        return previous is None or previous.text in _OPERATORS | _WORDS | {"(", "[", ",", "..", "{", ":", "^"}

    def _is_called(self, last: _Piece) -> bool:
        if last.text == "if":  # if(c, a, b) follows an operator, a filter follows a value
            previous = self._before[-2] if len(self._before) > 1 else None
            return previous is not None and previous.text in _OPERATORS | {"(", ",", "[", ".."}
        return last.kind == "NAME" or last.text == "]"
