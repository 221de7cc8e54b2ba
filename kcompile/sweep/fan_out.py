"""Work spread over the processes of this machine or the workers of a cluster, by joblib."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

from kcompile.diagnostics import Diagnostic, UsageError, accepted, printable
from kcompile.registry import find
from kcompile.sweep.engines.base import Engine, missing

Given = TypeVar("Given")
Found = TypeVar("Found")
_PIECE = 200
"""Pieces of work that go out together, where results come back together."""


def fan_out(task: Callable[[Given], Found], given: Sequence[Given], jobs: int, cluster: str | None) -> Iterator[Found]:
    """What the task makes of each, in order. jobs: processes, 0 for one a core; a cluster uses all of its workers.

    Raises `ToolMissing` KC0711, `UsageError` KC0580 for what is no address, KC0581 for a cluster that does not answer.
    """
    jobs = jobs or len(os.sched_getaffinity(0))
    if cluster is None and (jobs == 1 or len(given) <= 1):
        yield from map(task, given)
        return
    try:
        from joblib import Parallel, delayed
    except ImportError:
        raise missing("joblib", "sweep") from None
    if cluster is None:
        yield from cast(Iterator[Found], Parallel(n_jobs=jobs, return_as="generator")(delayed(task)(one) for one in given))
        return
    engine = _engine(cluster)
    size = max(len(given), 1) if engine.streams else _PIECE
    with engine.connected(cluster):
        try:
            for first in range(0, len(given), size):
                parallel = Parallel(n_jobs=-1, return_as="generator" if engine.streams else "list")
                yield from cast(Iterator[Found], parallel(delayed(task)(one) for one in given[first : first + size]))
        except ModuleNotFoundError as error:
            raise UsageError(Diagnostic("KC0581", f"a worker of the cluster cannot run this: {printable(str(error), 120)}",
                                        hint="workers need kcompile and its files as this machine has them")) from None


def _engine(address: str) -> Engine:
    engines: dict[str, Engine] = find("kcompile.sweep.engines", "ENGINE")
    for one in engines.values():
        if address.startswith(one.prefixes):
            return one
    prefixes = [prefix + "HOST:PORT" for one in engines.values() for prefix in one.prefixes]
    raise UsageError(Diagnostic("KC0580", f"`{printable(address, 80)}` is no address of a cluster", hint=accepted(prefixes)))
