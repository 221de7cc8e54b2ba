"""Statements of a circuit in the standard layout, alike ones next to each other, so that a program is read in runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 130
INDENT = "    "

_NUMERAL = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def wrapped(head: str, items: Iterable[str], tail: str, indent: str) -> str:
    """`head a, b, c tail` on lines of at most 130 characters, where the items allow it."""
    lines = [indent + head]
    for k, item in enumerate(items):
        word = ("" if k == 0 else " ") + item + ","
        if len(lines[-1]) + len(word) + len(tail) > WIDTH and k:
            lines.append(f"{indent}{INDENT}{item},")
        else:
            lines[-1] += word
    return "\n".join(lines).removesuffix(",") + tail


def circuit(name: str, ports: Sequence[str], statements: Iterable[str]) -> str:
    """Text of a circuit."""
    head = wrapped(f"circuit {name}(", ports, ") {", "") if ports else f"circuit {name} {{"
    return "\n".join([head, *statements, "}"])


def in_runs(statements: Iterable[str]) -> Iterator[str]:
    """Statements in their order, but each where the first one is that differs from it in numerals only."""
    runs: dict[str, list[str]] = {}
    for statement in statements:
        runs.setdefault(_NUMERAL.sub("#", statement), []).append(statement)
    for run in runs.values():
        yield from run
