"""What a circuit of cells is made of: transistors, areas, noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.pdk.devices import block

BOLTZMANN = 1.380649e-23
"""Joules per kelvin, exact (SI, 2019)."""


@dataclass(frozen=True, eq=False)
class Inventory:
    """cells: how many of each, and how many units; transistors: in the netlist, and as unit transistors in parallel; gate_area,
    capacitor_area: square micrometres; load: of the cells of a node, as a part of its capacitance; noise: volts of thermal noise
    that a released capacitor keeps, by node, sqrt(k T / C); bits: of the strengths of each cell's parameter."""

    cells: Mapping[str, tuple[int, int]]
    transistors: int
    unit_transistors: int
    gate_area: float
    capacitor_area: float
    load: Mapping[str, float]
    noise: Mapping[str, float]
    bits: Mapping[str, float]


def take_inventory(circuit: Circuit, temperature: float = 27.0, clocked: bool = False) -> Inventory:
    """Inventory of a circuit of cells at a temperature in degrees Celsius, with clocks where these are asked for; raises what
    lowering raises."""
    chip = Chip(circuit, BenchOptions(until=circuit.duration or 1.0, clocked=clocked))
    count, units = Counter(), Counter()
    transistors = unit_transistors = 0
    gates = plates = 0.0
    for part in chip.parts:
        found = block(part.cell, part.subcircuit, part.values, part.subcircuit)
        made = [device for device in found.devices if not device.plates]
        gates += sum(device.area for device in made)
        plates += sum(device.area for device in found.devices if device.plates)
        if part.cell.capacitor is not None:
            continue
        transistors += len(made)
        unit_transistors += sum(device.units for device in made)
        count[part.subcircuit] += 1
        units[part.subcircuit] += round(part.values.get(part.cell.strength, 1.0))
    farads = chip.placed.target
    kelvin = temperature + 273.15
    share = chip.placed.share
    load = {circuit.nodes.name(node): float(share[node]) for node in circuit.free.tolist()}
    noise = {circuit.nodes.name(node): float(np.sqrt(BOLTZMANN * kelvin / farads[node])) for node in circuit.free.tolist()}
    bits = {cell.name: float(np.log2(1 + sum(abs(int(end)) for param in cell.law.params if param.name == cell.strength
                                             for end in (param.interval.lower, param.interval.upper))))
            for cell in chip.cells if cell.strength}
    return Inventory({name: (count[name], units[name]) for name in count}, transistors, unit_transistors, gates, plates, load,
                     noise, bits)
