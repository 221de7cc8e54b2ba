"""Transistors and capacitors of a cell with numbers for its parameters, as layout tools want them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.pdk.cell import Cell

_HEAD = re.compile(r"^\.subckt ([a-z0-9_]+)((?: [a-z0-9_]+)*?)(?: params:(.*))?$")
_FACTOR = re.compile(r"[a-z_][a-z0-9_]*|[0-9.]+")


@dataclass(frozen=True)
class Device:
    """One element: its name, nets, model of the process, width, length in micrometres, and how many are in parallel."""

    name: str
    nets: tuple[str, ...]
    model: str
    width: float
    length: float
    units: int

    @property
    def plates(self) -> bool:
        """Whether it is a capacitor."""
        return len(self.nets) == 2

    @property
    def area(self) -> float:
        """Square micrometres under its gates or plates."""
        return self.width * self.length * self.units


@dataclass(frozen=True)
class Block:
    """A subcircuit with numbers for its parameters; its name says which."""

    name: str
    pins: tuple[str, ...]
    devices: tuple[Device, ...]

    @property
    def area(self) -> float:
        return sum(device.area for device in self.devices)


def block(cell: Cell, subcircuit: str, values: Mapping[str, float], name: str) -> Block:
    """A subcircuit of a cell for values of its parameters; `name` is what the block is called."""
    lines = iter(cell.netlist.splitlines())
    head = next(found for line in lines if (found := _HEAD.match(line)) and found[1] == subcircuit)
    defaults = dict(part.split("=") for part in (head[3] or "").split())
    known = {key: values.get(key, float(text)) for key, text in defaults.items()}
    devices = []
    for line in lines:
        if line.startswith(".ends"):
            break
        words = line.split()
        sizes = dict(word.split("=") for word in words if "=" in word)
        nets = [word for word in words[1:] if "=" not in word]
        devices.append(Device(words[0], tuple(nets[:-1]), nets[-1], _value(sizes["w"], known), _value(sizes["l"], known),
                              round(_value(sizes.get("m", "1"), known))))
    return Block(name, tuple(head[2].split()), tuple(devices))


def _value(text: str, known: Mapping[str, float]) -> float:
    """A number, or a product of numbers and parameters in braces: all that cells write."""
    product = 1.0
    for factor in _FACTOR.findall(text):
        product *= known[factor] if factor in known else float(factor)
    return product
