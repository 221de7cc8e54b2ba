"""A circuit of cells as its parts: bias lines, devices and capacitors, each a subcircuit with values and nets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Frame
from kcompile.lower.spice_names import RESERVED, plain
from kcompile.pdk.cell import Cell, load_cells
from kcompile.pdk.load import load_pdk
from kcompile.pdk.placement import Bank, place
from kcompile.pdk.schema import Signals

COMMON = "cm"
"""Net of the program's ground: the common mode."""
SUPPLIES = ("vbn", COMMON, "vdd", "vss")
"""Pins of a chip beside the nodes of the program; the reference current flows into vbn."""
LINES = ("vcn", "vbp", "vcp")
"""Nets inside that all cells share."""


@dataclass(frozen=True)
class Part:
    """One subcircuit of a chip: its name, its nets in the order of the pins, and values of its parameters."""

    name: str
    nets: tuple[str, ...]
    cell: Cell
    subcircuit: str
    values: Mapping[str, float]


class Chip:
    """A circuit of cells under lowering.

    Raises `UsageError` KC0726 for what is no circuit of cells, KC0508 without an end.
    """

    def __init__(self, circuit: Circuit, options: BenchOptions) -> None:
        if len(circuit.phases) > 1:
            message = f"{len(circuit.phases)} time slices need switches, which {circuit.pdk} has no cell for"
            raise UsageError(Diagnostic("KC0726", message, circuit.phases[1].span, hint="one phase"))
        self.circuit = circuit
        self.placed = place(circuit)
        self.frame = Frame(circuit, options, plain(circuit.name), RESERVED | {*SUPPLIES, *LINES})
        self.nodes = np.array([COMMON, *self.frame.names.nodes[1:]], dtype=object)
        """Net of each node."""
        self._cells = load_cells(circuit.pdk or "")

    @property
    def signals(self) -> Signals:
        found = load_pdk(self.circuit.pdk or "").signals
        assert found is not None
        return found

    @cached_property
    def ports(self) -> list[str]:
        """Pins of nodes: ports, inputs, outputs, and driven nodes, because what drives them is outside the chip."""
        return list(dict.fromkeys([*self.frame.ports, *self.nodes[self.circuit.driven]]))

    @property
    def vectors(self) -> tuple[str, ...]:
        """What a simulator calls each node but ground, with the chip as `xtop`."""
        outside = set(self.ports)
        return tuple(f"v({name})" if name in outside else f"v(xtop.{name})" for name in self.nodes[1:])

    @cached_property
    def banks(self) -> list[tuple[str, list[Part]]]:
        """Parts with what they are: the bias lines, each bank of devices, the capacitors."""
        bias, units = self._cells["bias"], {"n": float(self.signals.bias_units)}
        banks = [("bias lines", [Part("xbias", bias.pins["bias"], bias, "bias", units)])]
        banks += [(self.frame.title(bank.table), list(self._devices(bank))) for bank in self.placed.banks]
        return [*banks, ("capacitors: what the program says less what cells load the nodes with", list(self._capacitors()))]

    @property
    def parts(self) -> list[Part]:
        return [part for _, parts in self.banks for part in parts]

    @property
    def cells(self) -> list[Cell]:
        """Cells of the parts, each once."""
        return list({part.cell.name: part.cell for part in self.parts}.values())

    def _devices(self, bank: Bank) -> Iterator[Part]:
        row = self.frame.names.row(bank.table)
        for i in np.flatnonzero(bank.strengths).tolist():
            units = int(bank.strengths[i])
            subcircuit = bank.cell.subcircuits[-1 if units < 0 else 0]
            ends = tuple(self.nodes[bank.table.nodes[i]])
            nets = (*ends, *bank.cell.pins[subcircuit][len(ends):])
            yield Part(f"x{row % i}", nets, bank.cell, subcircuit, {bank.cell.strength: float(abs(units))})

    def _capacitors(self) -> Iterator[Part]:
        cell, free = self.placed.capacitor, self.circuit.free
        assert cell.capacitor is not None
        sizes = cell.capacitor.sized(self.placed.explicit[free])
        for node, width, length, units in zip(self.nodes[free], *(one.tolist() for one in sizes), strict=True):
            yield Part(f"xcap_{node}", (node, "vss"), cell, cell.subcircuits[0], {"w": width, "l": length, "m": units})

    def map(self) -> dict[str, object]:
        """The map of names, and the capacitance of each node in farads: what the program says and what its cells weigh."""
        names = self.circuit.nodes.names
        capacitors = {names[node]: {"program": float(self.placed.target[node]), "cells": float(self.placed.load[node])}
                      for node in self.circuit.free}
        return {**self.frame.map({id(table): "x" for table in self.circuit.tables}, {}, {}), "capacitors": capacitors}
