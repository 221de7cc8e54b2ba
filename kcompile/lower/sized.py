"""A chip as blocks with numbers for all sizes, and instances of them: what draws a layout has no parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.lower.chip import SUPPLIES, Chip
from kcompile.pdk.cell import Cell
from kcompile.pdk.devices import Block, block


@dataclass(frozen=True)
class Instance:
    """One block in the circuit: its name, its nets in the order of the block's pins, and the name of the block."""

    name: str
    nets: tuple[str, ...]
    block: str


@dataclass(frozen=True)
class Sized:
    """A subcircuit `top` with its pins, the blocks in it and the cell of each, by the name of the block, and its instances."""

    top: str
    pins: tuple[str, ...]
    blocks: Mapping[str, Block]
    cells: Mapping[str, Cell]
    instances: tuple[Instance, ...]


def with_sizes(chip: Chip) -> Sized:
    """The blocks of a chip."""
    blocks, cells, instances = {}, {}, []
    for part in chip.parts:
        called = "_".join([part.subcircuit, *(f"{key}{value:.6g}".replace(".", "p") for key, value in part.values.items())])
        if called not in blocks:
            blocks[called] = block(part.cell, part.subcircuit, part.values, called)
            cells[called] = part.cell
        instances.append(Instance(part.name, part.nets, called))
    return Sized(chip.frame.top, (*chip.ports, *SUPPLIES), blocks, cells, tuple(instances))
