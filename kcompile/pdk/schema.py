"""The typed form of a `pdk.toml`, and the checks that turn a file into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kcompile.units import DIMENSIONS, Dimension

MAX_TEXT = 1000


@dataclass(frozen=True)
class Limit:
    """Closed range of a quantity in SI units."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Pdk:
    """One process; `limits` by dimension."""

    name: str
    description: str
    licence: str
    limits: Mapping[Dimension, Limit]


class Malformed(ValueError):
    """A pdk.toml breaks the schema; `known` are the keys accepted at that place."""

    def __init__(self, message: str, key: str = "", known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.known = known


_WORDS = tuple(word for word in DIMENSIONS if word != "integer")


def read_pdk(content: Mapping[str, Any]) -> Pdk:
    """`Pdk` of a parsed file; raises `Malformed`."""
    _only(content, ("name", "description", "licence", "limits"), "a pdk.toml")
    limits = content.get("limits")
    if not isinstance(limits, dict):
        raise Malformed("`[limits]` is missing")
    _only(limits, _WORDS, "[limits]")
    return Pdk(_text(content, "name"), _text(content, "description"), _text(content, "licence"),
               {DIMENSIONS[word]: _limit(word, value) for word, value in limits.items()})


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise Malformed(f"`{key[:80]}` is not a key of {where}", key, known)


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
        raise Malformed(f"`{key}` is a text of at most {MAX_TEXT} characters")
    return value


def _limit(word: str, value: Any) -> Limit:
    numbers = isinstance(value, list) and len(value) == 2 and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    if not numbers or not float(value[0]) < float(value[1]):
        raise Malformed(f"`{word}` is a pair of numbers, the lower one first")
    return Limit(float(value[0]), float(value[1]))
