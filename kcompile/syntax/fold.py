"""Runs of alike statements become one statement with columns.

A program written by another program has a hundred thousand lines such as `Resistor R17(a[17], a[18]) { r = 1 kOhm };`.
Parsed one by one they would cost 0.3 ms each. Neighbouring lines that differ only in their numerals are therefore found
by one regular expression before the parser runs; the parser sees the first line of such a run, and its numerals and
numbered names carry one value per row. The meaning is that of the separate statements.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHORTEST_RUN = 32
"""Fewer lines are parsed one by one; it only pays for many."""

_NUMERAL = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# A sign belongs to the numeral only where nothing can stand before it that it could be subtracted from.
_COLUMN = re.compile(rf"(?:(?<=[=(,\[])|(?<=[=(,] ))-{_NUMERAL}|{_NUMERAL}")
_STATEMENT = re.compile(
    r"[ \t]*[A-Za-z_]\w*(?:[ \t]+[A-Za-z_]\w*(?:\[[^\]\[(){};]*\])?)?[ \t]*\([^(){};]*\)[ \t]*(?:\{[^{};]*\})?[ \t]*;[ \t]*",
    re.ASCII,
)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# A comment would be lost, and the exponent of a power decides its dimension, which a run has only one of.
_STAYS = re.compile(r"//|\bpow\b", re.ASCII)


@dataclass(frozen=True, eq=False)
class Rows:
    """One run: offsets of its lines, and for each numeral of the first line its place and the text of every row."""

    starts: np.ndarray
    """int64[rows], offset of the first character of each statement."""
    stops: np.ndarray
    places: tuple[tuple[int, int], ...]
    """Start and stop of each numeral in the first line, as offsets in the file, sign included."""
    columns: tuple[Sequence[str], ...]

    @property
    def count(self) -> int:
        return len(self.starts)


def fold(text: str) -> tuple[str, tuple[Rows, ...]]:
    """Text of the same length with all but the first line of each run blanked, and the runs."""
    lines = text.split("\n")
    if len(lines) < SHORTEST_RUN:
        return text, ()
    skeletons = _COLUMN.sub("#", text).split("\n")
    runs: list[Rows] = []
    offset = at = 0
    for skeleton, group in itertools.groupby(skeletons):
        count = sum(1 for _ in group)
        block = lines[at : at + count]
        if count >= SHORTEST_RUN and "#" in skeleton and _STATEMENT.fullmatch(block[0]) and not _STAYS.search(skeleton):
            rows = _columns(block, offset)
            if not _other_names(block[0], rows, offset):
                runs.append(rows)
                # The sign is part of the column, so the template is read without it.
                template = re.sub(rf"(?:(?<=[=(,\[])|(?<=[=(,] ))-(?={_NUMERAL})", " ", block[0])
                lines[at : at + count] = [template, *(" " * len(line) for line in block[1:])]
        offset += sum(map(len, block)) + count
        at += count
    return "\n".join(lines), tuple(runs)


def _other_names(line: str, rows: Rows, offset: int) -> bool:
    """Whether rows differ in a name that has one meaning in a run: of a device, bank, parameter or constant.

    Labels and single nodes may differ; `line` is the first one of the rows.
    """
    differ = [start - offset for (start, _), column in zip(rows.places, rows.columns, strict=True) if len(set(column)) > 1]
    numbered = [match for match in _NAME.finditer(line) if any(match.start() <= at < match.end() for at in differ)]
    return any(match.start() == len(line) - len(line.lstrip()) or "{" in line[: match.start()]
               or line.count("[", 0, match.start()) > line.count("]", 0, match.start())
               or (line[match.end() :].lstrip()[:1] == "[" and "(" in line[: match.start()]) for match in numbered)


def _columns(block: list[str], offset: int) -> Rows:
    lengths = np.fromiter(map(len, block), dtype=np.int64, count=len(block))
    line_starts = offset + np.concatenate([[0], np.cumsum(lengths[:-1] + 1)])
    indent = np.fromiter((len(line) - len(line.lstrip()) for line in block), dtype=np.int64, count=len(block))
    cells = _COLUMN.findall("\n".join(block))
    width = len(cells) // len(block)
    columns = tuple(cells[k::width] for k in range(width))
    places = tuple((offset + m.start(), offset + m.end()) for m in _COLUMN.finditer(block[0]))
    stops = line_starts + np.fromiter((len(line.rstrip()) for line in block), dtype=np.int64, count=len(block))
    return Rows(line_starts + indent, stops, places, columns)
