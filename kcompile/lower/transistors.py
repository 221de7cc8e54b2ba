"""Circuits of cells as transistors of their process: subcircuits of cells, capacitors, bias lines, a test bench, and a symbol.

Voltages of the program are against the common mode, which is the net `cm`; the test bench has the supply, the common mode and
a reference current. Starting voltages hold during the operating point, in which the tails settle, and are let go at time 0. A
clocked chip gets clocks, and loads its own starting voltages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.chip import COMMON, SUPPLIES, Chip, Part
from kcompile.lower.chip_drive import drive_on_chip
from kcompile.lower.clocks import corners
from kcompile.lower.columns import number
from kcompile.lower.frame import Netlist, Source
from kcompile.lower.spice import source_card
from kcompile.lower.xschem import symbol
from kcompile.pdk.find import find_library
from kcompile.pdk.trim import MISMATCH, trim
from kcompile.render import Card, render

PROBE = 1e-12
"""Farads of the instrument at a pin that shows an output."""

MANY = 250
"""Parts from which on the bench asks for KLU, which solves the equations of 14,000 transistors in minutes instead of hours."""


def build_transistors(circuit: Circuit, options: BenchOptions) -> Netlist:
    """Netlist, test bench and models of a circuit of cells, at the corner and the temperature of the options.

    Raises `UsageError` KC0726 for what is no circuit of cells, KC0508 without an end, `ToolMissing` KC0719 without the models.
    """
    chip = Chip(circuit, options)
    signals, frame, name, inputs = chip.signals, chip.frame, circuit.name, _inputs(chip)
    found = find_library(circuit.pdk or "")
    models = trim(found, options.corner, frozenset().union(*(cell.transistors for cell in chip.cells)))
    spice = render("spice/cells/circuit.cir.j2", {
        "source_name": name, "pdk": circuit.pdk, "cells": [Card(cell.netlist) for cell in chip.cells], "top": frame.top,
        "ports": [*chip.ports, *SUPPLIES], "parameters": inputs, "initials": _initials(chip),
        "banks": [{"title": title, "cards": [_card(part) for part in parts]} for title, parts in chip.banks]})
    clocks = chip.clocks
    until = frame.until if clocks is None else clocks.end
    bench = render("spice/cells/bench.cir.j2", {
        "top": frame.top, "source_name": name, "models": f"{name}_models.lib", "netlist": f"{name}.spice",
        "options": " ".join([*found.library.options, *(["klu"] if len(chip.parts) > MANY else []),
                             *([f"seed={options.seed}"] if options.corner.endswith(MISMATCH) else [])]),
        "rtol": number(options.rtol), "temperature": number(options.temperature),
        "supply": number(signals.supply), "common": number(signals.common_mode),
        "reference": number(signals.unit_current * signals.bias_units), "ports": chip.ports,
        "sources": [*(source_card(source, COMMON) for source in _drives(chip)), *_clocked(chip), *_programmed(chip)],
        "loads": list(chip.reads.values()), "probe": number(PROBE),
        "step": number(frame.step), "until": number(until), "save": [*chip.vectors, *_reads(chip)],
        "runs": f"ngspice -n -b -r {name}.raw {name}_tb.cir"})
    artifacts = (Artifact(f"{name}.spice", spice), Artifact(f"{name}_tb.cir", bench), Artifact(f"{name}_models.lib", models.text),
                 Artifact(f"{name}.sym", symbol(chip, inputs)),
                 Artifact(f"{name}.map.json", json.dumps(chip.map(), indent=1) + "\n"))
    return Netlist(artifacts, chip.vectors, (), frame.names, signals.common_mode, clocks,
                   {line: window for (line, _), window in chip.windows.items()}, _reads(chip))


def _card(part: Part) -> str:
    values = "".join(f" {name}={value:.6g}" for name, value in part.values.items())
    return f"{part.name} {' '.join(part.nets)} {part.subcircuit}{' params:' * bool(values)}{values}"


def _reads(chip: Chip) -> tuple[str, ...]:
    """Vectors of the pins that show outputs."""
    return tuple(f"v({pin})" for pin in chip.reads.values())


def _drives(chip: Chip) -> Iterator[Source]:
    """Sources of driven nodes, at pins that set rails where a chip has these."""
    pins = {str(chip.nodes[node]): pin for node, pin in chip.sets.items()}
    for source in (*chip.frame.drives(True), *chip.frame.drives(False)):
        placed = replace(source, node=pins.get(source.node, source.node))
        yield placed if chip.clocks is None else drive_on_chip(placed, chip.clocks)


def _clocked(chip: Chip) -> Iterator[str]:
    """Sources of clocks and starting voltages, as far as a chip has these."""
    if chip.clocks is None:
        return
    high = chip.signals.supply
    for (line, inverse), window in chip.windows.items():
        for pin, levels in ((line, (0.0, high)), (inverse, (high, 0.0))):
            yield f"v{pin} {pin} 0 PWL({' '.join(map(number, corners(window, *levels)))})"
    for node, pin in chip.starts.items():
        yield f"v{pin} {pin} {COMMON} {number(chip.frame.starts[node])}"


def _programmed(chip: Chip) -> Iterator[str]:
    """Sources of the bits that say strengths."""
    for bit in chip.programmed:
        yield f"v{bit.pin} {bit.pin} 0 {number(chip.signals.supply if bit.high else 0.0)}"


def _inputs(chip: Chip) -> list[tuple[str, str]]:
    """(name, value) of the parameters that hold starting voltages of inputs, where these are not loaded."""
    return [] if chip.clocked else [(name, number(chip.circuit.nodes.initial[node] + chip.signals.common_mode))
            for node, name in chip.frame.input_parameters.items()]


def _initials(chip: Chip) -> list[tuple[str, str]]:
    """(net, voltage) at the start of every node that has an equation, where it is not loaded."""
    if chip.clocked:
        return []
    volts = (chip.frame.starts + chip.signals.common_mode).tolist()
    texts = {node: number(volts[node]) for node in chip.circuit.free.tolist()}
    given = {node: f"{{{name}}}" for node, name in chip.frame.input_parameters.items() if node in texts}
    return [(str(chip.nodes[node]), text) for node, text in {**texts, **given}.items()]
