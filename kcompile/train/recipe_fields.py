"""What a value of a recipe may be: kinds of fields, each with its check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kcompile.diagnostics import accepted, nearest, printable
from kcompile.units import Dimension, format_unit, parse_quantity

Check = Callable[[Any], Any]
"""The value as the recipe holds it; `ValueError` says what is accepted."""


@dataclass(frozen=True)
class Whole:
    """A whole number."""

    least: int
    most: int = 2**31 - 1

    def __call__(self, given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not self.least <= given <= self.most:
            raise ValueError(f"a whole number, at least {self.least:,}," if self.most == 2**31 - 1 else
                             f"a whole number from {self.least:,} to {self.most:,}")
        return given


@dataclass(frozen=True)
class Number:
    """A finite number; a text may carry a unit of the dimension, the value is in SI units."""

    least: float = -math.inf
    most: float = math.inf
    positive: bool = False
    dimension: Dimension | None = None

    def __call__(self, given: Any) -> float:
        value = self._quantity(given) if isinstance(given, str) else given
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(self.words)
        if not self.least <= value <= self.most or (self.positive and value <= 0):
            raise ValueError(self.words)
        return float(value)

    def _quantity(self, given: str) -> float:
        try:
            value, found = parse_quantity(given)
        except ValueError:
            raise ValueError(self.words) from None
        if self.dimension is None or found not in (None, self.dimension):
            raise ValueError(self.words)
        return value

    @property
    def words(self) -> str:
        unit = "" if self.dimension is None else f" of {format_unit(self.dimension)}"
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"a number{unit} from {self.least:g} to {self.most:g}"
        if self.positive:
            return f"a positive number{unit}"
        return f"a number{unit}, at least {self.least:g}," if self.least > -math.inf else f"a number{unit}"


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def __call__(self, given: Any) -> str:
        if given not in self.words:
            close = nearest(given, self.words) if isinstance(given, str) else ""
            raise ValueError(close or accepted(self.words))
        return given


def flag(given: Any) -> bool:
    """Whether something is so."""
    if not isinstance(given, bool):
        raise ValueError("true or false")
    return given


def text(given: Any) -> str:
    """A text, as it is."""
    if not isinstance(given, str) or not given:
        raise ValueError("a text")
    return given


def options(given: Any) -> Mapping[str, Any]:
    """A table of values by name, without tables in it."""
    plain = isinstance(given, Mapping) and all(
        isinstance(value, bool | int | float | str) or (isinstance(value, list | tuple)
                                                       and all(isinstance(part, int | float) for part in value))
        for value in given.values())
    if not plain:
        raise ValueError("a table of values by name")
    return {str(name): list(value) if isinstance(value, tuple) else value for name, value in given.items()}


def quantities(given: Any) -> Mapping[str, float]:
    """A table of positive quantities by name, in SI units."""
    if not isinstance(given, Mapping):
        raise ValueError("a table of quantities by name of parameter")
    found = {}
    for name, one in given.items():
        try:
            value = parse_quantity(one)[0] if isinstance(one, str) else one
        except ValueError as error:
            raise ValueError(f"{printable(str(error), 80)} (of `{printable(str(name), 40)}`)") from None
        found[str(name)] = Number(positive=True)(value)
    return found


def setting(default: Any, check: Check, what: str) -> Any:
    """A field of a recipe: its default, its check, and what it is, in the words of the documents."""
    metadata = {"check": check, "what": what}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)
