"""A circuit of cells as its parts: bias lines, devices and capacitors, each a subcircuit with values and nets.

A circuit with several time slices is clocked, and one with a single slice where that is asked for: its cells are those with
gates, switches load its nodes, buffers show its outputs, and amplifiers drive its rails. Cells outside of the slices have a gate
too, or they would go on while nodes are loaded and read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.bits import Bit, claim_bits
from kcompile.lower.clocks import LOADING, Clocks
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
GATES = ("en", "enb")
"""Pins of a cell with a gate for the clock of its slice and its inverse."""
BUFFER_UNITS = 4
"""Of a buffer: it drives the picofarad of an instrument within a microsecond."""


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
        self.circuit = circuit
        self.placed = place(circuit)
        self._cells = load_cells(circuit.pdk or "")
        top, taken = plain(circuit.name), {name for cell in self._cells.values() for name in cell.pins}
        self.frame = Frame(circuit, options, f"{top}_top" if top in taken else top, RESERVED | {*SUPPLIES, *LINES})
        self.nodes = np.array([COMMON, *self.frame.names.nodes[1:]], dtype=object)
        """Net of each node."""
        self.clocked = options.clocked or len(circuit.phases) > 1
        self.gates: dict[int | None, tuple[str, str]] = {}
        """Pins of the clock of each slice, and of what is outside of all, with its inverse."""
        self.loading: tuple[str, str] = ("", "")
        """Pins of the clock that loads nodes, and its inverse."""
        self.starts: dict[int, str] = {}
        """Pin that a node is loaded from; the others begin at the common mode."""
        self.reads: dict[int, str] = {}
        """Pin that shows an output."""
        self.sets: dict[int, str] = {}
        """Pin with the voltage of a rail, a node whose drive is constant."""
        self.bits: dict[tuple[int, int], tuple[Bit, ...]] = claim_bits(self.frame, self.placed.banks)
        """Pins that say the strength of a device, by bank and row."""
        if self.clocked:
            self._check()
            self._claim()

    @property
    def signals(self) -> Signals:
        found = load_pdk(self.circuit.pdk or "").signals
        assert found is not None
        return found

    def _check(self) -> None:
        circuit, pdk = self.circuit, self.circuit.pdk
        if not circuit.phases:
            raise UsageError(Diagnostic("KC0726", f"`{circuit.name}` has no phases, and clocks begin and end one", circuit.span,
                                        hint="a phase around the devices, or no clocks"))
        ungated = [bank.cell.name for bank in self.placed.banks if not bank.cell.gated]
        missing = [name for name in ("switch", "buffer", "rail") if name not in self._cells]
        if ungated or missing:
            lacks = f"{ungated[0]} has no form with a gate" if ungated else f"{pdk} has no cell `{missing[0]}`"
            raise UsageError(Diagnostic("KC0726", f"the time slices of `{circuit.name}` need clocks, and {lacks}",
                                        circuit.phases[-1].span, hint="one phase, without clocks"))

    def _claim(self) -> None:
        claim, names, circuit = self.frame.names.space.claim, self.frame.names.nodes, self.circuit
        self.loading = claim("load_on"), claim("load_off")
        self.gates = {k: (claim(f"gate_{phase.name}_on"), claim(f"gate_{phase.name}_off"))
                      for k, phase in enumerate(circuit.phases)}
        if any(bank.table.phase is None for bank in self.placed.banks):
            self.gates[None] = claim("gate_all_on"), claim("gate_all_off")
        given = {*circuit.inputs.tolist(), *np.flatnonzero(circuit.nodes.initial).tolist()} & set(circuit.free.tolist())
        self.starts = {node: claim(f"start_{names[node]}") for node in sorted(given)}
        self.reads = {node: claim(f"read_{names[node]}") for node in circuit.outputs.tolist() if node in circuit.free}
        self.sets = {node: claim(f"set_{names[node]}") for one in circuit.stimuli if one.wave.kind == "dc"
                     for node in one.nodes.tolist()}

    @cached_property
    def clocks(self) -> Clocks | None:
        """When what happens, where there are several time slices."""
        if not self.clocked:
            return None
        ohms = self._cells["switch"].resistance
        assert ohms is not None
        load = LOADING * ohms * float(self.placed.target[self.circuit.free].max())
        return Clocks(load, tuple(float(phase.duration) for phase in self.circuit.phases))

    @property
    def windows(self) -> Mapping[tuple[str, str], tuple[float, float]]:
        """Seconds from and to which each clock is on, by its pin and that of its inverse; none without clocks."""
        if self.clocks is None:
            return {}
        return {self.loading: (0.0, self.clocks.load),
                **{lines: self.clocks.window(phase) for phase, lines in self.gates.items()}}

    @cached_property
    def ports(self) -> list[str]:
        """Pins of nodes: ports, inputs, outputs, and driven nodes, because what drives them is outside the chip; of a clocked one
        driven nodes or what rails are set to, starting voltages, outputs and clocks; of both, bits of devices."""
        bits = [one.pin for one in self.programmed]
        if self.clocked:
            clocks = [line for pair in self.windows for line in pair]
            return [*self._driven, *self.sets.values(), *self.starts.values(), *self.reads.values(), *clocks, *bits]
        return list(dict.fromkeys([*self.frame.ports, *self._driven, *bits]))

    @property
    def _driven(self) -> list[str]:
        """Nodes that something outside the chip drives."""
        return [str(self.nodes[node]) for node in self.circuit.driven.tolist() if node not in self.sets]

    @property
    def programmed(self) -> list[Bit]:
        """Pins that say the strengths of devices."""
        return [bit for bits in self.bits.values() for bit in bits]

    @cached_property
    def uses(self) -> Mapping[str, str]:
        """What each pin is for."""
        circuit, nodes = self.circuit, self.nodes
        said = dict.fromkeys(self.ports, "inout")
        if self.clocked:
            said |= dict.fromkeys(self.starts.values(), "start") | dict.fromkeys(self.reads.values(), "output")
            said |= {line: "clock" for pair in self.windows for line in pair}
        else:
            said |= dict.fromkeys(nodes[circuit.outputs], "output") | dict.fromkeys(nodes[circuit.inputs], "input")
        said |= dict.fromkeys(self._driven, "driven") | dict.fromkeys(self.sets.values(), "reference")
        said |= {one.pin: one.use for one in self.programmed}
        return {**said, "vbn": "reference current", COMMON: "common mode", "vdd": "supply", "vss": "ground"}

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
        if self.clocked:
            banks += [("switches that load nodes with their starting voltages", list(self._loads())),
                      ("buffers that show outputs", list(self._buffers())),
                      ("amplifiers that drive rails", list(self._rails()))]
        return [*banks, ("capacitors: what the program says less what cells load the nodes with", list(self._capacitors()))]

    @property
    def parts(self) -> list[Part]:
        return [part for _, parts in self.banks for part in parts]

    @property
    def cells(self) -> list[Cell]:
        """Cells of the parts, each once."""
        return list({part.cell.name: part.cell for part in self.parts}.values())

    def _devices(self, bank: Bank) -> Iterator[Part]:
        row, cell = self.frame.names.row(bank.table), bank.cell
        clock: dict[str, str] = dict(zip(GATES, self.gates[bank.table.phase], strict=True)) if self.clocked else {}
        for i in bank.present:
            subcircuit = (cell.gated if self.clocked else cell.subcircuits)[bank.forms[i]]
            ends = tuple(self.nodes[bank.table.nodes[i]])
            outside = clock | {bit.inner: bit.pin for bit in self.bits.get((id(bank.table), i), ())}
            nets = (*ends, *(outside.get(pin, pin) for pin in cell.pins[subcircuit][len(ends):]))
            yield Part(f"x{row % i}", nets, cell, subcircuit, cell.sizes(bank.strengths[i], bank.thresholds[i]))

    def _loads(self) -> Iterator[Part]:
        cell = self._cells["switch"]
        for node in self.circuit.free.tolist():
            nets = (self.starts.get(node, COMMON), str(self.nodes[node]), *self.loading, "vdd", "vss")
            yield Part(f"xload_{self.nodes[node]}", nets, cell, "switch", {})

    def _buffers(self) -> Iterator[Part]:
        cell = self._cells["buffer"]
        for node, pin in self.reads.items():
            yield Part(f"xread_{self.nodes[node]}", (self.nodes[node], pin, *cell.pins["buffer"][2:]), cell, "buffer",
                       {"k": float(BUFFER_UNITS)})

    def _rails(self) -> Iterator[Part]:
        cell, pushed = self._cells["rail"], self._pushed()
        assert cell.carries is not None
        for node, pin in self.sets.items():
            yield Part(f"xrail_{self.nodes[node]}", (pin, self.nodes[node], *cell.pins["rail"][2:]), cell, "rail",
                       {"k": float(max(np.ceil(pushed[node] / cell.carries - 1e-9), 1.0))})

    def _pushed(self) -> np.ndarray:
        """float64[nodes], amperes that cells take from a node or give to it at most, in the slice in which that is most."""
        found = np.zeros((len(self.circuit.phases) + 1, self.circuit.nodes.count))
        for bank in self.placed.banks:
            amperes = np.abs(bank.strengths) * bank.cell.full_scale(self.signals.unit_current)
            row = found[-1 if bank.table.phase is None else bank.table.phase]
            for column in bank.table.nodes.T:
                np.add.at(row, column, amperes)
        return found[:-1].max(axis=0) + found[-1]

    def _capacitors(self) -> Iterator[Part]:
        for cell, nodes in self.placed.capacitors:
            assert cell.capacitor is not None
            sizes, lines = cell.capacitor.sized(self.placed.explicit[nodes]), cell.pins[cell.subcircuits[0]][1:]
            for node, width, length, units in zip(self.nodes[nodes], *(one.tolist() for one in sizes), strict=True):
                yield Part(f"xcap_{node}", (node, *lines), cell, cell.subcircuits[0], {"w": width, "l": length, "m": units})

    def map(self) -> dict[str, object]:
        """The map of names, and the capacitance of each node in farads: what the program says and what its cells weigh."""
        names = self.circuit.nodes.names
        capacitors = {names[node]: {"program": float(self.placed.target[node]), "cells": float(self.placed.load[node])}
                      for node in self.circuit.free}
        found = {**self.frame.map({id(table): "x" for table in self.circuit.tables}, {}, {}), "capacitors": capacitors}
        if self.bits:
            found["bits"] = {one.pin: int(one.high) for one in self.programmed}
        if self.clocks is not None:
            found["clocks"] = {"on": {line: list(window) for (line, _), window in self.windows.items()},
                               "read": self.clocks.end}
        return found
