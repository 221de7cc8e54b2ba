"""The text of a netlist as cards: title, comments, continuation lines, included files."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kcompile.diagnostics import CompileError, Diagnostic, Source, Span, UsageError, printable
from kcompile.inputs import read_text

MAX_FILES = 256
"""Files of one netlist, each counted as often as it is included."""

_WORD = re.compile(r"\{[^{}]*\}|'[^']*'|\"[^\"]*\"|[(),=]|[^\s(),={}'\"]+|[^\s]")
_REMARK = re.compile(r";|(?:^|\s)\$.*|//")
_INCLUDE = re.compile(r"\.inc(?:lude)?\s+(\S.*)", re.IGNORECASE)


@dataclass(frozen=True, eq=False, slots=True)
class Card:
    """One card in lower case and on one line.

    `places` leads back to the source: (offset in the card, offset in the source) of each line it was written on.
    """

    source: Source
    text: str
    places: tuple[tuple[int, int], ...]

    def span(self, start: int = 0, stop: int | None = None) -> Span:
        """Place of a range of its characters."""
        stop = len(self.text) if stop is None else stop
        if len(self.places) == 1:
            at = self.places[0][1]
            return Span(self.source, at + start, at + stop)
        line = bisect.bisect_right(self.places, (start, len(self.source.text))) - 1
        at, of = self.places[line]
        if line + 1 < len(self.places):
            stop = min(stop, self.places[line + 1][0] - 1)
        return Span(self.source, of + start - at, of + max(stop, start + 1) - at)

    def words(self, most: int | None = None) -> list[Word]:
        """Its first words: names and numbers, `{..}`, `'..'`, and the signs `( ) , =`."""
        return [Word(self, match[0], match.start()) for match in itertools.islice(_WORD.finditer(self.text), most)]

    def refuse(self, code: str, message: str, hint: str = "") -> CompileError:
        """An error at this card."""
        return CompileError(Diagnostic(code, message, self.span(), hint=hint))


class Word(NamedTuple):
    """A word of a card."""

    card: Card
    text: str
    start: int

    @property
    def stop(self) -> int:
        return self.start + len(self.text)

    @property
    def span(self) -> Span:
        return self.card.span(self.start, self.stop)

    def refuse(self, code: str, message: str, hint: str = "") -> CompileError:
        """An error at this word."""
        return CompileError(Diagnostic(code, message, self.span, hint=hint))


def read_cards(path: Path) -> tuple[str, Iterator[Card]]:
    """Title of a netlist, and its cards in order, those of included files among them.

    Raises `UsageError` KC0501 for a file that cannot be read; the cards raise `CompileError` KC0531, KC0534, KC0535.
    """
    source = Source(str(path), read_text(path))
    title, _, _ = source.text.partition("\n")
    return title.strip(), _Reader(path.parent).cards(source, len(title) + 1, (path.resolve(),))


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = 1

    def cards(self, source: Source, start: int, chain: tuple[Path, ...]) -> Iterator[Card]:
        for card in _joined(source, start):
            include = _INCLUDE.fullmatch(card.text)
            if card.text == ".end":
                return
            if include:
                yield from self._included(card, chain)
            else:
                yield card

    def _included(self, card: Card, chain: tuple[Path, ...]) -> Iterator[Card]:
        span = card.span()
        match = _INCLUDE.fullmatch(span.text.strip())  # a card is in lower case, the name of a file is not
        name = match[1].strip().strip("\"'") if match else ""
        path = self._folder / name
        if not name or name != Path(name).name or "\0" in name or len(name.encode()) > 255:
            raise card.refuse("KC0534", f"`{printable(name, 80)}` is not the name of a file in the folder of the netlist",
                              "only files of the same folder are included")
        if path.resolve() in chain:
            raise card.refuse("KC0535", f"`{printable(name, 80)}` includes itself through this line")
        if path.resolve().parent != self._folder.resolve() or not path.is_file():
            raise card.refuse("KC0534", f"there is no file `{printable(name, 80)}` in the folder of the netlist")
        self._files += 1
        if self._files > MAX_FILES:
            raise card.refuse("KC0535", f"more than {MAX_FILES} files are included")
        try:
            text = read_text(path)
        except UsageError as error:
            raise card.refuse("KC0534", error.diagnostics[0].message) from None
        yield from self.cards(Source(str(path), text), 0, (*chain, path.resolve()))


def _joined(source: Source, start: int) -> Iterator[Card]:
    """Cards of one file from a character on."""
    held: list[tuple[int, str]] = []
    at = start
    for line in source.text[start:].split("\n"):
        offset, at = at, at + len(line) + 1
        bare = line.strip()
        if not bare or bare[0] == "*":
            continue
        if ";" in bare or "$" in bare or "//" in bare:
            bare = bare[: match.start()].rstrip() if (match := _REMARK.search(bare)) else bare
            if not bare:
                continue
        offset += len(line) - len(line.lstrip())
        if bare[0] != "+":
            if held:
                yield _card(source, held)
            held = [(offset, bare)]
        elif not held:
            raise CompileError(Diagnostic("KC0531", "this line continues nothing", Span(source, offset, offset + 1)))
        else:
            held.append((offset + 1, bare[1:]))
    if held:
        yield _card(source, held)


def _card(source: Source, lines: list[tuple[int, str]]) -> Card:
    places = []
    length = 0
    for offset, line in lines:
        places.append((length, offset))
        length += len(line) + 1
        if not (line.isascii() and line.isprintable()):
            at = next((k for k, c in enumerate(line) if not ((c.isascii() and c.isprintable()) or c == "\t")), None)
            if at is not None:
                raise CompileError(Diagnostic("KC0531", "a card is printable ASCII text", Span(
                    source, offset + at, offset + at + 1), hint="other characters stand in comments only"))
    return Card(source, " ".join(line for _, line in lines).lower().replace("\t", " "), tuple(places))
