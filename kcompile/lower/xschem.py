"""A symbol for xschem of the subcircuit of a chip: its pins in their order, inputs on the left, all others on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kcompile.lower.chip import SUPPLIES, Chip
from kcompile.render import render

GRID = 20
"""Units of a drawing between two pins."""
LETTER = 8
"""Units of a drawing that a letter of a pin takes."""


@dataclass(frozen=True)
class Pin:
    """One pin: its direction, its place, the edge of the box that it ends at, and its label with whether that is flipped."""

    name: str
    direction: str
    x: int
    y: int
    edge: int
    text: int
    flip: int


def symbol(chip: Chip, parameters: Sequence[tuple[str, str]]) -> str:
    """Text of `TOP.sym`; parameters of the subcircuit, with their values, are properties of each instance."""
    names = [*chip.ports, *SUPPLIES]
    directions = _directions(chip)
    sides = {left: [name for name in names if (directions[name] == "in") == left] for left in (True, False)}
    letters = sum(max((len(name) for name in side), default=0) for side in sides.values())
    half = GRID * (1 + -(-letters * LETTER // (2 * GRID)))
    height = GRID * (1 + max(map(len, sides.values())))
    places = {name: (left, GRID * (k + 1)) for left, side in sides.items() for k, name in enumerate(side)}
    pins = [_pin(name, directions[name], half, *places[name]) for name in names]
    return render("xschem/symbol.sym.j2", {"top": chip.frame.top, "parameters": parameters, "pins": pins,
                                           "box": (-half, 0, half, height)})


def _pin(name: str, direction: str, half: int, left: bool, y: int) -> Pin:
    side = -1 if left else 1
    return Pin(name, direction, side * (half + GRID), y, side * half, side * (half - 5), 0 if left else 1)


def _directions(chip: Chip) -> dict[str, str]:
    """Direction of every pin: what a source outside drives is an input, and so are nodes that an input starts."""
    directions = {"input": "in", "driven": "in", "start": "in", "reference": "in", "clock": "in", "output": "out"}
    directions |= {bit.use: "in" for bit in chip.programmed}
    return {name: directions.get(chip.uses[name], "inout") for name in (*chip.ports, *SUPPLIES)}
