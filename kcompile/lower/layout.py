"""The layout target: what draws a circuit of cells needs, and nothing that no check has seen.

A netlist with numbers for all sizes, which `verify --against klayout` compares with the one that is simulated; pins; places on a
grid, with a script that draws them; the netlist and the constraints that ALIGN reads; and the map back to the source.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from kcompile.ir.circuit import Circuit
from kcompile.lower.align import align_files
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.chip import SUPPLIES, Chip
from kcompile.lower.sized import Sized, with_sizes
from kcompile.render import render

SPREAD = 2.5
"""Area of a block with its wells, contacts and wires, over that of its gates and plates."""
GRID = 0.005
"""Micrometres."""


class LayoutTarget:
    """`--target layout`."""

    name = "layout"
    dialects = ()
    needs_end = False
    checked_by = "klayout"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        # A layout has no time, but names are made where netlists are.
        chip = Chip(circuit, replace(options, until=options.until or circuit.duration or 1.0))
        return _artifacts(chip)


TARGET = LayoutTarget()


def _artifacts(chip: Chip) -> tuple[Artifact, ...]:
    name, pdk, sized = chip.circuit.name, chip.circuit.pdk or "", with_sizes(chip)
    netlist = render("layout/lvs.spice.j2", {
        "source_name": name, "pdk": pdk, "blocks": list(sized.blocks.values()), "top": sized.top, "ports": sized.pins,
        "instances": sized.instances})
    script = render("layout/placement.py.j2", {"source_name": name, "pdk": pdk})
    return (Artifact(f"{name}_lvs.spice", netlist), Artifact(f"{name}_pins.json", _json(_pins(chip))),
            Artifact(f"{name}_placement.json", _json(_places(sized))), Artifact(f"{name}_placement.py", script),
            *align_files(sized, name, pdk), Artifact(f"{name}.map.json", _json(chip.map())))


def _pins(chip: Chip) -> list[dict[str, str]]:
    """Every pin with what it is for."""
    return [{"pin": pin, "use": chip.uses[pin]} for pin in (*chip.ports, *SUPPLIES)]


def _places(sized: Sized) -> dict[str, Any]:
    """Places of all blocks in rows of one width, tall blocks first, as squares of the area that they take, in micrometres."""
    sides = {name: math.ceil(math.sqrt(SPREAD * one.area) / GRID) * GRID for name, one in sized.blocks.items()}
    width = math.sqrt(sum(sides[one.block] ** 2 for one in sized.instances)) * 1.1
    x = y = row = 0.0
    places = []
    for one in sorted(sized.instances, key=lambda one: (-sides[one.block], one.name)):
        side = sides[one.block]
        if x > 0 and x + side > width:
            x, y, row = 0.0, y + row, 0.0
        places.append({"instance": one.name, "block": one.block, "x": _on_grid(x), "y": _on_grid(y), "side": _on_grid(side)})
        x, row = x + side, max(row, side)
    return {"unit": "um", "grid": GRID, "width": _on_grid(width), "height": _on_grid(y + row), "places": places}


def _on_grid(value: float) -> float:
    return round(round(value / GRID) * GRID, 6)


def _json(content: Any) -> str:
    return json.dumps(content, indent=1) + "\n"
