"""A sweep: what is left of its points goes out, what comes back goes into its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from kcompile.sweep.fan_out import fan_out
from kcompile.sweep.points import Work
from kcompile.sweep.table import Row, Table, collect, read_table


class Task(Protocol):
    """What is done at each point; it travels to other processes."""

    def identity(self, works: Sequence[Work]) -> Mapping[str, str]:
        """Digests of what is swept, by kind; raises what is wrong with all points."""
        ...

    def __call__(self, work: Work) -> list[Row]:
        """A row for each point."""
        ...


def run(task: Task, works: Sequence[Work], folder: Path | None, resume: bool, jobs: int, cluster: str | None,
        watch: Callable[[int, int], None] | None) -> Table:
    """Table of all points, of which those that a folder has are not run again."""
    identity = task.identity(works)
    done = {} if folder is None else read_table(folder, identity, resume)
    left = [one for one in (_without(work, done) for work in works) if one is not None]
    count = sum(len(work.points) for work in works)
    return collect(fan_out(task, left, jobs, cluster), done, count, folder, identity, watch)


def _without(work: Work, done: Mapping[int, Row]) -> Work | None:
    if not work.draws:
        return None if work.first in done else work
    draws = tuple(draw for draw in work.draws if work.first + draw not in done)
    return replace(work, draws=draws) if draws else None
