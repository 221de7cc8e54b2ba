"""Models that stand in the subcircuit of a transistor, once for every size instead of once for every instance.

A simulator copies what stands in a subcircuit for every instance: tens of models, one for each range of widths and lengths, of
which one is used. A network of 14,000 transistors took 11 GB that way, and minutes to read. Models whose numbers follow from the
size alone can stand outside: one for each size, with what the subcircuit knows of the size written in, and a range that holds
this size only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass

Sizes = Set[tuple[float | None, float | None]]
"""Widths and lengths of a transistor as a netlist gives them, None for any."""

_MODEL = re.compile(r"\.model\s+(\S+)\.[0-9]+\s", re.IGNORECASE)
_LIMIT = re.compile(r"\b([lw](?:min|max))(\s*=\s*)([0-9.]+(?:e[+-]?[0-9]+)?)(?=\s|$)", re.IGNORECASE)
_EXPRESSION = re.compile(r"\{([^}]*)\}|'([^']*)'")
_VALUE = re.compile(r"([a-z_]\w*)\s*=\s*(\{[^}]*\}|'[^']*'|\S+)", re.IGNORECASE)
_NAME = re.compile(r"[a-z_]\w*", re.IGNORECASE)
_ROUNDING = 1e-9
"""Relative, of sizes against the ranges of models."""


@dataclass(frozen=True)
class Hoisted:
    """A subcircuit without its models, rest; and models to stand outside, all of one name."""

    name: str
    rest: list[str]
    models: list[str]


def hoist(cards: list[str], sizes: Sizes, scale: float, taken: Collection[str]) -> Hoisted | None:
    """Cards of a subcircuit, taken apart; scale: metres of the unit of sizes; taken: names of models outside.

    None where models cannot stand outside: a size may be any or is in no range, a model depends on what an instance says besides
    its size or on a parameter that is not read here, the subcircuit chooses between cards, or a model outside has the same name.
    """
    names = {found[1].lower() for card in cards if (found := _MODEL.match(card))}
    if len(names) != 1 or names & set(taken) or any(card.lower().startswith(".if") for card in cards):
        return None
    models = []
    for width, length in sorted(sizes, key=repr):
        if width is None or length is None or (card := _model_for(cards, width * scale, length * scale)) is None:
            return None
        try:
            written = _written(card, {**_parameters(cards), "w": repr(width), "l": repr(length)})
        except LookupError:
            return None
        models.append(_only(written, len(models) + 1, width * scale, length * scale))
    return Hoisted(names.pop(), [card for card in cards if not _MODEL.match(card)], models)


def _model_for(cards: list[str], width: float, length: float) -> str | None:
    """The last model whose range holds a width and a length in metres: ngspice begins with it where a size is on a border."""
    for card in reversed(cards):
        limits = {name.lower(): float(text) for name, _, text in _LIMIT.findall(card)} if _MODEL.match(card) else {}
        if len(limits) == 4 and all(limits[f"{side}min"] * (1 - _ROUNDING) <= size <= limits[f"{side}max"] * (1 + _ROUNDING)
                                    for side, size in (("w", width), ("l", length))):
            return card
    return None


def _parameters(cards: list[str]) -> dict[str, str | None]:
    """Expressions of the parameters of a subcircuit; None for those that an instance may say, and for all of a card with more on
    it than names and single values, as `{a} + b`."""
    found: dict[str, str | None] = {}
    for card in cards:
        if card.lower().startswith(".param"):
            whole = not _VALUE.sub("", card[len(".param"):]).strip(" \t\n+")
            found |= {name.lower(): text.strip("{}'") if whole else None for name, text in _VALUE.findall(card)}
    return {**found, **{name.lower(): None for name, _ in _VALUE.findall(cards[0])}}


def _written(card: str, known: Mapping[str, str | None]) -> str:
    """A model with the parameters of its subcircuit written in; raises `LookupError` where an instance says one."""
    def expanded(text: str) -> str:
        return _NAME.sub(lambda found: f"({expanded(_of(found[0].lower()))})" if found[0].lower() in known else found[0], text)

    def _of(name: str) -> str:
        text = known[name]
        if text is None:
            raise LookupError(name)
        return text

    return _EXPRESSION.sub(lambda found: f"{{{expanded(found[1] or found[2])}}}", card)


def _only(card: str, number: int, width: float, length: float) -> str:
    """A model that holds for one size only."""
    edges = {f"{side}{end}": size * (1 + sign * _ROUNDING) for side, size in (("w", width), ("l", length))
             for end, sign in (("min", -1), ("max", 1))}
    named = _MODEL.sub(lambda found: f".model {found[1]}.{number} ", card, count=1)
    return _LIMIT.sub(lambda found: f"{found[1]}{found[2]}{edges[found[1].lower()]!r}", named)
