"""Tables with a header: one column is the target, all others are inputs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kcompile.diagnostics import Diagnostic, Source, Span, UsageError, accepted, nearest, printable
from kcompile.inputs import read_text
from kcompile.train.sources.base import Samples, malformed


@dataclass(frozen=True)
class CsvTable:
    name: ClassVar[str] = "csv"
    accepts: ClassVar[str] = "FILE.csv with a header"
    tables: ClassVar[bool] = True

    def takes(self, text: str) -> bool:
        return text.lower().endswith(".csv")

    def read(self, text: str, target: str | None) -> Samples:
        """The target is the last column, or the one called `target`; texts in it are classes in the order of the alphabet."""
        source = Source(text, read_text(Path(text)))
        header, rows, lines = _cells(source)
        if target is not None and target not in header:
            raise malformed(Path(text), f"has no column `{printable(target, 60)}`", nearest(target, header) or accepted(header))
        at = len(header) - 1 if target is None else header.index(target)
        inputs = np.empty((len(rows), len(header) - 1))
        for row, (cells, line) in enumerate(zip(rows, lines, strict=True)):
            try:
                inputs[row] = [float(cell) for k, cell in enumerate(cells) if k != at]
            except ValueError:
                bad = next(k for k, cell in enumerate(cells) if k != at and not _is_number(cell))
                raise _located(source, line, cells[bad], f"column `{printable(header[bad], 60)}` takes numbers") from None
        return Samples(inputs, *_targets([cells[at] for cells in rows]))


def _cells(source: Source) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows, and the line on which each row ends; lines that start with # are comments."""
    lines = source.text.removesuffix("\n").split("\n")
    reader = csv.reader(("" if line.startswith("#") else line for line in lines), strict=True)
    try:
        found = [(cells, reader.line_num) for cells in reader if cells]
    except csv.Error as error:
        raise _located(source, reader.line_num, "", f"not a line of a table: {error}") from None
    if not found:
        raise malformed(Path(source.name), "holds no table", "the first line names the columns")
    (header, _), *rows = found
    header = [cell.strip() for cell in header]
    if all(map(_is_number, header)):
        raise _located(source, 1, header[0], "the first line names the columns, these are numbers")
    if len(header) < 2:
        raise _located(source, 1, header[0], "a table has at least two columns, an input and the target")
    for cells, line in rows:
        if len(cells) != len(header):
            raise _located(source, line, "", f"{len(cells)} values where the header names {len(header)} columns")
    return header, [cells for cells, _ in rows], [line for _, line in rows]


def _targets(cells: list[str]) -> tuple[np.ndarray, None, tuple[str, ...]]:
    if all(map(_is_number, cells)):
        values = np.array([float(cell) for cell in cells])
        whole = bool(np.all(np.isfinite(values))) and bool(np.all(values == np.round(values))) and np.all(np.abs(values) < 1e9)
        return (values.astype(np.int64) if whole else values[:, None]), None, ()
    names = sorted({cell.strip() for cell in cells})
    place = {name: k for k, name in enumerate(names)}
    return np.array([place[cell.strip()] for cell in cells], dtype=np.int64), None, tuple(names)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _located(source: Source, line: int, cell: str, message: str) -> UsageError:
    line = min(max(line, 1), len(source.line_starts))
    text = source.line(line)
    at = max(text.find(cell), 0) if cell else 0
    start = source.line_starts[line - 1] + at
    return UsageError(Diagnostic("KC0561", message, Span(source, start, start + len(cell or text))))


SOURCE = CsvTable()
