"""One line of docs/figures.md: what was measured, what is wanted, what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`met` is None where the line only informs."""

    what: str
    wanted: str
    found: str
    met: bool | None = None


def table(rows: Iterable[Row]) -> str:
    """Markdown table of rows."""
    lines = ["| what | wanted | measured | |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.wanted} | {row.found} | {_verdict(row.met)} |" for row in rows]
    return "\n".join(lines)


def _verdict(met: bool | None) -> str:
    return "" if met is None else "met" if met else "**missed**"
