"""The points of a sweep: all combinations of values, each with as many random draws as are asked for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.units import format_unit, parse_quantity

MAX_POINTS = 1_000_000
_DRAWS = 20
"""Draws of one piece of work, which share a compilation."""
_RANGE = re.compile(r"(lin|log)\(([^,()]+),([^,()]+),\s*([0-9]+)\s*\)")


@dataclass(frozen=True)
class Work:
    """Points that one process runs in one go: the same values, and the numbers of their draws; () for a point without draws.

    first: number of the point of draw 0, or of the only point. settings: values by name, as texts.
    """

    first: int
    settings: Mapping[str, str]
    draws: tuple[int, ...] = ()

    @property
    def points(self) -> tuple[int, ...]:
        return tuple(self.first + draw for draw in self.draws) if self.draws else (self.first,)


def read_axes(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Values by name of texts `NAME=V1,V2,..`; raises `UsageError` KC0580."""
    axes: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, equals, values = (part.strip() for part in pair.partition("="))
        if not (name and equals and values):
            raise UsageError(Diagnostic("KC0580", f"`{printable(pair, 80)}` is not NAME=V1,V2,..",
                                        hint="for example --vary R1.r=1kOhm,2kOhm or --vary R1.r=lin(1kOhm,5kOhm,9)"))
        if name in axes:
            raise UsageError(Diagnostic("KC0580", f"`{printable(name, 60)}` is varied twice"))
        axes[name] = read_values(values)
    return axes


def axes_of(vary: Mapping[str, Sequence[float | str] | str]) -> dict[str, tuple[str, ...]]:
    """Values by name as texts, of texts or of numbers in SI units."""
    return {name: read_values(given) if isinstance(given, str) else tuple(map(str, given)) for name, given in vary.items()}


def check_kind(trains: bool, draws: int, spreads: Collection[str], recipe: object) -> None:
    """Raise `UsageError` KC0580 unless a sweep of simulations or of trainings has what belongs to it, and nothing else."""
    if trains and (draws or spreads):
        raise UsageError(Diagnostic("KC0580", "random draws are of simulations, and with data a sweep trains",
                                    hint="leave out --data, and give trained values with --weights"))
    if bool(draws) != bool(spreads):
        raise UsageError(Diagnostic("KC0580", "random draws need their number and a spread",
                                    hint="for example --monte-carlo 100 --spread R1.r=5%"))
    if recipe and not trains:
        raise UsageError(Diagnostic("KC0580", "a recipe is of trainings, and without data a sweep simulates", hint="--data SET"))


def read_values(text: str) -> tuple[str, ...]:
    """Values of `1kOhm,2kOhm`, `lin(FIRST,LAST,COUNT)`, `log(FIRST,LAST,COUNT)`, or several of these with commas between."""
    # A comma within brackets separates nothing, so that a value may be a list of TOML.
    parts = [part.strip() for part in re.findall(r"(?:[^,()\[\]]|\([^()]*\)|\[[^\[\]]*\])+", text)]
    found = [value for part in parts for value in (_range(part) if re.match(r"(lin|log)\(", part) else (part,))]
    if not found or not all(found):
        raise UsageError(Diagnostic("KC0580", f"`{printable(text, 80)}` has an empty value"))
    return tuple(found)


def _range(text: str) -> tuple[str, ...]:
    match = _RANGE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        (first, unit), (last, other) = (parse_quantity(match[k].strip()) for k in (2, 3))
        if unit != other or not 2 <= int(match[4]) <= MAX_POINTS or (match[1] == "log" and not (first > 0 and last > 0)):
            raise ValueError
    except ValueError:
        raise UsageError(Diagnostic("KC0580", f"`{printable(text, 80)}` is no range", hint="first, last and count, in one unit: "
                                    "lin(1pF,5pF,9), or with positive ends log(1kOhm,1MOhm,7)")) from None
    values = (np.linspace if match[1] == "lin" else np.geomspace)(first, last, int(match[4])).tolist()
    return tuple(f"{value:.15g}{'' if unit is None else ' ' + format_unit(unit)}" for value in values)


def shown(text: str) -> float | str:
    """A value as a table has it: a quantity in SI units, anything else as it is."""
    try:
        return int(text) if text.isdecimal() else parse_quantity(text)[0]
    except ValueError:
        return text


def make_work(axes: Mapping[str, Sequence[str]], draws: int) -> tuple[Work, ...]:
    """All combinations, the last name fastest, then the draws; raises `UsageError` KC0580 where they are too many or none."""
    if not axes and not draws:
        raise UsageError(Diagnostic("KC0580", "nothing varies in this sweep", hint="--vary NAME=V1,V2,.. or --monte-carlo N"))
    count = int(np.prod([len(values) for values in axes.values()], dtype=object)) * max(draws, 1)
    if count > MAX_POINTS:
        raise UsageError(Diagnostic("KC0580", f"a sweep has at most {MAX_POINTS:,} points, these are {count:,}"))
    found = []
    for k, values in enumerate(itertools.product(*axes.values())):
        settings, first = dict(zip(axes, values, strict=True)), k * max(draws, 1)
        pieces = [tuple(range(at, min(at + _DRAWS, draws))) for at in range(0, draws, _DRAWS)] or [()]
        found += [Work(first, settings, piece) for piece in pieces]
    return tuple(found)
