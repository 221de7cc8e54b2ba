"""Circuits of cells as transistors of their process: subcircuits of cells, capacitors, bias lines, and a test bench.

Voltages of the program are against the common mode, which is the node `cm`; the test bench has the supply, the common mode and
a reference current. Starting voltages hold during the operating point, in which the tails settle, and are let go at time 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.columns import Cells, format_column, format_rows, number
from kcompile.lower.frame import Frame, Netlist
from kcompile.lower.spice import source_card
from kcompile.lower.spice_names import RESERVED, plain
from kcompile.pdk.cell import Cell, load_cells
from kcompile.pdk.find import find_library
from kcompile.pdk.load import load_pdk
from kcompile.pdk.placement import Bank, Placement, place
from kcompile.pdk.trim import trim
from kcompile.render import Card, render

LINES = ("iref", "cm", "vdd", "vss", "vbn", "vcn", "vbp", "vcp")
"""Nets of a netlist of cells beside the nodes of the program."""


def build_transistors(circuit: Circuit, options: BenchOptions) -> Netlist:
    """Netlist, test bench and models of a circuit of cells, at the corner and the temperature of the options.

    Raises `UsageError` KC0726 for what is no circuit of cells, KC0508 without an end, `ToolMissing` KC0719 without the models.
    """
    if len(circuit.phases) > 1:
        message = f"{len(circuit.phases)} time slices need switches, which {circuit.pdk} has no cell for"
        raise UsageError(Diagnostic("KC0726", message, circuit.phases[1].span, hint="one phase"))
    return _Transistors(circuit, options, place(circuit)).build()


class _Transistors:
    def __init__(self, circuit: Circuit, options: BenchOptions, placed: Placement) -> None:
        self._frame = Frame(circuit, options, plain(circuit.name), RESERVED | set(LINES))
        self._circuit, self._options, self._placed = circuit, options, placed
        self._nodes = np.array(["cm", *self._frame.names.nodes[1:]], dtype=object)
        self._pdk = load_pdk(circuit.pdk or "")
        self._cells = load_cells(self._pdk.name)

    def build(self) -> Netlist:
        circuit, frame, options, signals = self._circuit, self._frame, self._options, self._pdk.signals
        assert signals is not None
        used = self._used()
        found = find_library(self._pdk.name)
        models = trim(found, options.corner, frozenset().union(*(cell.transistors for cell in used)))
        inputs = [(name, number(circuit.nodes.initial[node] + signals.common_mode))
                  for node, name in frame.input_parameters.items()]
        netlist, library = f"{circuit.name}.spice", f"{circuit.name}_models.lib"
        spice = render("spice/cells/circuit.cir.j2", {
            "source_name": circuit.name, "pdk": self._pdk.name, "cells": [Card(cell.netlist) for cell in used], "top": frame.top,
            "ports": frame.ports, "parameters": inputs, "units": signals.bias_units,
            "initials": self._initials(signals.common_mode),
            "sources": [source_card(source, "cm") for source in frame.drives(inner=True)],
            "banks": [{"title": title, "cards": Card(cards)} for title, cards in self._banks()]})
        vectors = frame.vectors("v(%s)", "v(xtop.%s)")
        bench = render("spice/cells/bench.cir.j2", {
            "top": frame.top, "source_name": circuit.name, "models": library, "netlist": netlist,
            "options": " ".join(found.library.options), "rtol": number(options.rtol), "temperature": number(options.temperature),
            "supply": number(signals.supply), "common": number(signals.common_mode),
            "reference": number(signals.unit_current * signals.bias_units), "ports": frame.ports,
            "sources": [source_card(source, "cm") for source in frame.drives(inner=False)],
            "step": number(frame.step), "until": number(frame.until),
            "save": vectors, "runs": f"ngspice -n -b -r {circuit.name}.raw {circuit.name}_tb.cir"})
        artifacts = (Artifact(netlist, spice), Artifact(f"{circuit.name}_tb.cir", bench), Artifact(library, models.text),
                     Artifact(f"{circuit.name}.map.json", json.dumps(self._map(), indent=1) + "\n"))
        return Netlist(artifacts, tuple(vectors), (), frame.names, signals.common_mode)

    def _used(self) -> list[Cell]:
        """Cells whose subcircuits the netlist holds."""
        return [self._cells["bias"], self._placed.capacitor, *{bank.cell.name: bank.cell for bank in self._placed.banks}.values()]

    def _banks(self) -> Iterator[tuple[str, str]]:
        """(title, cards) of each bank of devices, and of the capacitors."""
        for bank in self._placed.banks:
            yield self._frame.title(bank.table), "".join(self._devices(bank))
        yield "capacitors: what the program says less what cells load the nodes with", "".join(self._capacitors())

    def _devices(self, bank: Bank) -> Iterator[str]:
        cell, table = bank.cell, bank.table
        row = self._frame.names.row(table)
        for name, rows in zip(cell.subcircuits, (np.flatnonzero(bank.strengths > 0), np.flatnonzero(bank.strengths < 0)),
                              strict=False):
            if len(rows):
                columns: list[Cells] = [self._nodes[table.nodes[rows, k]] for k in range(len(table.model.terminals))]
                columns += [" ".join(cell.pins[name][len(columns):]) + f" {name}",
                            np.array([str(one) for one in np.abs(bank.strengths[rows])], dtype=object)]
                layout = f"x{row} {' '.join(['%s'] * (len(columns) - 1))} params: {cell.strength}=%s\n"
                yield from format_rows(layout, columns, rows.tolist())

    def _capacitors(self) -> Iterator[str]:
        cell, free = self._placed.capacitor, self._circuit.free
        assert cell.capacitor is not None
        width, length, units = cell.capacitor.sized(self._placed.explicit[free])
        columns: list[Cells] = [self._nodes[free], self._nodes[free], f"vss {cell.subcircuits[0]}", format_column(width),
                                format_column(length), format_column(units)]
        # The number of a row is printed in no column: capacitors have the names of their nodes.
        yield from format_rows("xcap_%.0s%s %s %s params: w=%s l=%s m=%s\n", columns, range(len(free)))

    def _initials(self, common: float) -> Card:
        texts = [number(value + common) for value in self._frame.starts]
        for node, name in self._frame.input_parameters.items():
            texts[node] = f"{{{name}}}"
        return Card("".join(f".ic v({self._nodes[node]})={texts[node]}\n" for node in self._circuit.free))

    def _map(self) -> dict[str, object]:
        placed, names = self._placed, self._circuit.nodes.names
        letters = {id(table): "x" for table in self._circuit.tables}
        capacitors = {names[node]: {"program": float(placed.target[node]), "cells": float(placed.load[node])}
                      for node in self._circuit.free}
        return {**self._frame.map(letters, {}, {}), "capacitors": capacitors}
