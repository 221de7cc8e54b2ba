"""What ALIGN reads of a circuit of cells: one netlist in metres and farads, and constraints of subcircuits beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from kcompile.lower.base import Artifact
from kcompile.lower.sized import Instance, Sized
from kcompile.pdk.cell import Capacitor, Cell, load_cells
from kcompile.pdk.devices import Block, Device
from kcompile.render import Card, render

MICRO = 1e-6
"""Metres."""


def align_files(sized: Sized, circuit: str, pdk: str) -> tuple[Artifact, ...]:
    """`TOP.sp`, whose name says which subcircuit is drawn, and `SUBCIRCUIT.const.json` for what has constraints."""
    plates = next(one.plates for one in load_cells(pdk).values() if isinstance(one.plates, Capacitor))
    blocks = [{"name": name, "pins": one.pins, "cards": [_element(plates, device) for device in one.devices]}
              for name, one in sized.blocks.items() if len(one.devices) > 1]
    netlist = render("layout/align.sp.j2", {"source_name": circuit, "pdk": pdk, "top": sized.top, "ports": sized.pins,
                                            "blocks": blocks, "cards": [_card(sized, plates, one) for one in sized.instances]})
    constraints = {sized.top: [{"constraint": "PowerPorts", "ports": ["vdd"]}, {"constraint": "GroundPorts", "ports": ["vss"]}]}
    constraints |= {name: _mirrored(sized.cells[name], one) for name, one in sized.blocks.items() if sized.cells[name].symmetric}
    return (Artifact(f"{sized.top}.sp", netlist), *(Artifact(f"{name}.const.json", json.dumps(content, indent=1) + "\n")
                                                    for name, content in constraints.items()))


def _mirrored(cell: Cell, one: Block) -> list[dict[str, Any]]:
    """Pairs mirrored about one vertical axis, single devices on it."""
    names = {device.name: _name(device) for device in one.devices}
    pairs = [[names[name] for name in pair] for pair in cell.symmetric]
    return [{"constraint": "SymmetricBlocks", "direction": "V", "pairs": pairs}]


def _card(sized: Sized, plates: Capacitor, one: Instance) -> Card:
    """An instance of a block; a block of one element is that element, which ALIGN would make of it under a name it refuses."""
    device, *others = sized.blocks[one.block].devices
    if others:
        return Card(" ".join([one.name, *one.nets, one.block]))
    net = dict(zip(sized.blocks[one.block].pins, one.nets, strict=True))
    return _element(plates, replace(device, name=one.name, nets=tuple(net[name] for name in device.nets)))


def _element(plates: Capacitor, device: Device) -> Card:
    head = " ".join([_name(device), *device.nets])
    if device.plates:
        farads = float(plates.value(np.array(device.width), np.array(device.length))) * device.units
        return Card(f"{head} {farads:.6g}")
    return Card(f"{head} {device.model} w={device.width * MICRO:.6g} l={device.length * MICRO:.6g} nf=1 m={device.units}")


def _name(device: Device) -> str:
    """Name of an element, whose first letter says what it is."""
    return ("c" if device.plates else "m") + device.name.removeprefix("x")
