"""The result of a sweep: one row a point, in a folder that a sweep can go on from."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.files import to_json, write_files
from kcompile.inputs import read_text

Row = Mapping[str, float | str]
"""Cells by column; `point` is the number of the point, `failure` its reason where it failed."""
TABLE, IDENTITY = "sweep.csv", "sweep.json"
_EVERY = 1.0
"""Seconds between two writings of the table."""


@dataclass(frozen=True)
class Table:
    """Rows in the order of the points."""

    rows: tuple[Row, ...]

    @property
    def failures(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.get("failure"))

    def column(self, name: str) -> list[float | str]:
        """Cells of a column; empty texts where a row has none. Raises `UsageError` KC0502 for an unknown one."""
        if not any(name in row for row in self.rows):
            raise UsageError(Diagnostic("KC0502", f"the sweep has no column `{printable(name, 60)}`"))
        return [row.get(name, "") for row in self.rows]

    def csv(self) -> str:
        """A table with a header; numbers in the fewest digits that read back exactly, `failure` last."""
        names = [name for name in dict.fromkeys(name for row in self.rows for name in row) if name != "failure"]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*names, "failure"])
        writer.writerows([row.get(name, "") for name in [*names, "failure"]] for row in self.rows)
        return text.getvalue()


def read_table(folder: Path, identity: Mapping[str, str], resume: bool) -> dict[int, Row]:
    """Rows of a folder by point, without those that failed; none where no sweep began there.

    identity: digests of what is swept, by kind. Raises `UsageError` KC0568 for a folder with another sweep, or with this one
    where it is not to be resumed.
    """
    shown = printable(str(folder))
    if not (folder / IDENTITY).exists():
        return {}
    if not resume:
        raise UsageError(Diagnostic("KC0568", f"{shown} holds a sweep already",
                                    hint="--resume goes on with it; another one needs another folder"))
    try:
        before = json.loads(read_text(folder / IDENTITY))["identity"]
        rows = list(csv.DictReader(io.StringIO(read_text(folder / TABLE)))) if (folder / TABLE).exists() else []
        found = {int(row["point"]): {name: _number(cell) for name, cell in row.items() if cell} for row in rows}
    except (ValueError, KeyError, TypeError):
        raise UsageError(Diagnostic("KC0568", f"{shown} holds files that are not those of a sweep")) from None
    other = [kind for kind, digest in identity.items() if before.get(kind) != digest]
    if other:
        raise UsageError(Diagnostic("KC0568", f"{shown} holds a sweep with another {' and another '.join(other)}",
                                    hint="a sweep goes on with exactly what it began with; another one needs another folder"))
    return {point: row for point, row in found.items() if "failure" not in row}


def _number(cell: str) -> float | str:
    try:
        return float(cell) if set(cell) - set("0123456789") else int(cell)
    except ValueError:
        return cell


def collect(results: Iterable[Sequence[Row]], done: Mapping[int, Row], count: int, folder: Path | None,
            identity: Mapping[str, str], watch: Callable[[int, int], None] | None) -> Table:
    """Table of the rows that come in and of those that were done, kept in a folder on the way, also where they end early."""
    rows, saved = dict(done), time.monotonic()
    said = to_json({"format": 1, "identity": dict(identity)}) + "\n"

    def table() -> Table:
        return Table(tuple(rows[point] for point in sorted(rows)))

    def save() -> None:
        if folder is not None and rows:
            write_files(folder, {TABLE: table().csv(), IDENTITY: said})

    try:
        for found in results:
            rows.update((int(row["point"]), row) for row in found)
            if watch is not None:
                watch(len(rows), count)
            if time.monotonic() - saved > _EVERY:
                save()
                saved = time.monotonic()
    finally:
        save()
    return table()
