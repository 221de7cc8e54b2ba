"""Hierarchical names of rows, made when asked for: a million rows hold index columns, not a million strings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Segment:
    """One part of a dotted name.

    `text` is one identifier for all rows or one per row. Subscripts come from `index` (int[rows, d]) or, for banks with
    regular extents, from the row number itself: row i is element (i // repeat) of the bank, modulo its size.
    """

    text: str | tuple[str, ...]
    index: np.ndarray | None = None
    extents: tuple[int, ...] = ()

    def format(self, row: int) -> str:
        text = self.text if isinstance(self.text, str) else self.text[row]
        if self.index is not None:
            subscripts = self.index[row]
        elif self.extents:
            subscripts = np.unravel_index(row % int(np.prod(self.extents)), self.extents)
        else:
            return text
        return f"{text}[{','.join(str(int(k)) for k in subscripts)}]"

    def take(self, rows: np.ndarray) -> Segment:
        """Segment whose row i is row rows[i] of this one."""
        if isinstance(self.text, tuple):
            return Segment(tuple(self.text[i] for i in rows), self.index[rows] if self.index is not None else None)
        if self.index is not None:
            return Segment(self.text, self.index[rows])
        if self.extents:
            columns = np.unravel_index(rows % int(np.prod(self.extents)), self.extents)
            return Segment(self.text, np.stack(columns, axis=-1).astype(np.int32))
        return self


Path = tuple[Segment, ...]


def format_name(path: Path, row: int) -> str:
    """Dotted name of one row: `cell[3].mix.w1[7]`."""
    return ".".join(segment.format(row) for segment in path)


def take_rows(path: Path, rows: np.ndarray) -> Path:
    """Path whose row i is row rows[i] of the given one."""
    return tuple(segment.take(rows) for segment in path)


def bank_name(path: Path) -> str:
    """Name of a whole bank: its identifiers without subscripts; a path with one identifier per row gives the first."""
    return ".".join(s.text if isinstance(s.text, str) else s.text[0] for s in path)
