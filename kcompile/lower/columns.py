"""Columns of a bank as text: numbers in the fewest digits, equal ones formatted once, cards made in chunks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Cells = np.ndarray | str
"""Texts of a column, object[n], or one text for all rows."""

_CHUNK = 20_000


def number(value: float) -> str:
    """A plain number in the fewest digits that read back as the same float; no suffix, in SPICE `1M` is a thousandth."""
    return repr(float(value))


def format_column(column: np.ndarray) -> Cells:
    """Numbers as text; one text for a column that is one value broadcast, or made of few values."""
    if column.strides == (0,) or len(column) == 1:
        return number(float(column[0]))
    values, place = np.unique(column, return_inverse=True)
    return np.array([number(v) for v in values.tolist()], dtype=object)[place]


def format_rows(layout: str, columns: list[Cells], count: int) -> Iterator[str]:
    """Cards of a bank, formatted in chunks: `layout` takes the row number and then the columns."""
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count)
        cells = [[column] * (last - first) if isinstance(column, str) else column[first:last].tolist() for column in columns]
        yield "".join(map(layout.__mod__, zip(range(first, last), *cells, strict=True)))
