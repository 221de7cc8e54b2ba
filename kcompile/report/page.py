"""A report as JSON and as one page of HTML that needs no other file and no network."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kcompile.render import Card, render
from kcompile.report.gather import Answers, Gathered
from kcompile.report.lot import LotStudy
from kcompile.report.sensitivity import SOURCES
from kcompile.units import format_count, format_engineering
from kcompile.verify.transistors import Confirmation

CELSIUS, AREA = "\N{DEGREE SIGN}C", "\N{MICRO SIGN}m\N{SUPERSCRIPT TWO}"


@dataclass(frozen=True)
class Section:
    """A part of the page: what it says, a picture, a table."""

    title: str
    text: str
    svg: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=tuple)


def record(found: Gathered, commands: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """JSON-ready form of a report; commands: words of what leads to it, by what each does."""
    inventory, answers = found.inventory, found.answers
    content = {"format": 1, "confirmation": found.confirmation.record(), "corners": [one.record() for one in found.corners],
               "latency": found.confirmation.latency,
               "chip": {"cells": {name: {"devices": count, "units": units} for name, (count, units) in inventory.cells.items()},
                        "transistors": inventory.transistors, "unit_transistors": inventory.unit_transistors,
                        "gate_area": inventory.gate_area, "capacitor_area": inventory.capacitor_area,
                        "load": dict(inventory.load), "noise": dict(inventory.noise), "bits": dict(inventory.bits)},
               "commands": {what: list(words) for what, words in commands.items()}}
    if answers is not None:
        content["answers"] = {"figure": answers.figure, "laws": answers.law_figure, "transistors": answers.transistor_figure,
                              "samples": len(answers.targets), **_decisions(answers)}
    if found.lot is not None:
        content["mismatch"] = found.lot.record()
    return content


def _decisions(answers: Answers) -> dict[str, Any]:
    if answers.margin is None or answers.error is None:
        return {}
    same = answers.laws == answers.transistors
    safe = answers.margin > answers.error.max()
    return {"alike": int(np.sum(same)), "clear": int(np.sum(safe)), "clear_alike": int(np.sum(same & safe)),
            "largest_error_of_margin": float(answers.error.max())}


def format_page(found: Gathered, commands: Mapping[str, Sequence[str]], pictures: Mapping[str, str]) -> str:
    """HTML of a report; pictures: SVG texts, `errors`, `waveforms`, `clocks`, `specimens`, by name."""
    one = found.confirmation
    condition = (f"Corner {one.corner} at {one.temperature:g} {CELSIUS}, "
                 f"{format_count(len(one.laws), 'starting point')}, {_quantity(one.until, 's')} each")
    # `</` would end the element that holds the data.
    data = json.dumps(record(found, commands)).replace("</", "<\\/")
    return render("report/page.html.j2", {
        "title": one.circuit, "pdk": one.pdk, "tool": one.tool, "condition": condition, "tiles": _tiles(found),
        "sections": [{**vars(section), "svg": Card(section.svg)} for section in _sections(found, pictures)],
        "commands": [(what, shlex.join(words)) for what, words in commands.items()], "data": Card(data)})


def _tiles(found: Gathered) -> list[tuple[str, str, str]]:
    one, inventory, answers = found.confirmation, found.inventory, found.answers
    error, watts = one.error, float(one.power.mean())
    tiles = []
    if answers is not None:
        laws, transistors = (_figure(answers.figure, value) for value in (answers.law_figure, answers.transistor_figure))
        tiles.append((f"{answers.figure.replace('_', ' ')} on transistors", transistors, f"{laws} on the laws"))
        if answers.margin is not None:
            said = _decisions(answers)
            tiles.append(("decided alike", f"{said['alike']} of {len(answers.targets)}",
                          f"{said['clear_alike']} of {said['clear']} clear ones"))
    if found.lot is not None:
        said = found.lot.record()
        low, high = (100 * one for one in said["interval"])
        tiles.append(("yield", f"{100 * said['yield']:.1f} %", f"{low:.1f} to {high:.1f} % with 95 % confidence"))
    tiles += [("error of waveforms", f"{100 * float(np.median(error)):.2g} %",
               f"median; 95 % below {100 * float(np.quantile(error, 0.95)):.2g} %, worst {100 * float(error.max()):.2g} %"),
              ("power", _quantity(watts, "W", 3), "from the supply, cells and bias lines"),
              ("energy", _quantity(watts * one.latency, "J", 3), "for one answer"),
              ("latency", _quantity(one.latency, "s", 3), "from start to read-out"),
              ("transistors", f"{inventory.transistors:,}", f"{inventory.unit_transistors:,} units in parallel"),
              ("area", f"{inventory.capacitor_area + inventory.gate_area:,.0f} {AREA}",
               f"plates {inventory.capacitor_area:,.0f}, gates {inventory.gate_area:,.0f}")]
    return tiles


def _quantity(value: float, unit: str, digits: int = 4) -> str:
    """A number with an SI prefix, micro as readers of a page know it."""
    return format_engineering(value, unit, digits).replace(" u", " \N{MICRO SIGN}")


def _figure(figure: str, value: float) -> str:
    return f"{100 * value:.1f} %" if figure == "accuracy" else f"{value:.4g}"


def _sections(found: Gathered, pictures: Mapping[str, str]) -> list[Section]:
    one, inventory = found.confirmation, found.inventory
    error = one.error
    parts = [np.median(error, axis=(0, 1)), np.quantile(error, 0.95, axis=(0, 1)), error.max(axis=(0, 1))]
    nodes = [[name, *(f"{100 * part[k]:.2f} %" for part in parts), f"{100 * inventory.load[name]:.1f} %",
              _quantity(inventory.noise[name], "V", 3)] for k, name in enumerate(one.names)]
    sections = [
        Section("Laws and transistors", "Waveforms of the outputs from the first starting points, against the common mode: what "
                "the laws say, and what transistors do.",
                pictures.get("waveforms", "")),
        Section("Errors", f"Distance of every waveform from the laws, over the swing of {_quantity(one.swing, 'V', 3)}. "
                f"Steps of the simulator half as long change {100 * one.step_error / one.swing:.2g} % of it. Load is what cells "
                "make of a node's capacitance; it bends with the voltages, and above 4 % it counts. Noise is what heat leaves on "
                "the capacitor of a node when it is let go.", pictures.get("errors", ""),
                ("node", "median", "95 %", "worst", "load of cells", "thermal noise"), nodes)]
    if one.clocks:
        spans = [[name, _quantity(start, "s", 4), _quantity(stop, "s", 4)] for name, (start, stop) in
                 one.clocks.items()]
        sections.append(Section("Clocks", "Nodes are loaded, time slices follow each other without overlap, and outputs are read "
                                f"at the end, {_quantity(one.read_error or 0.0, 'V', 2)} from their nodes at most.",
                                pictures.get("clocks", ""), ("clock", "on from", "to"), spans))
    if found.corners:
        head = ("corner", "temperature", "median", "95 %", "worst", "power")
        sections.append(Section("Corners", "Laws with the constants of each corner and temperature, against transistors there: "
                                f"the first with all starting points, the others with {len(found.corners[0].laws)}.", "", head,
                                list(map(_corner, (one, *found.corners)))))
    if tried := _tried(found):
        sections.append(Section("Retries", "ngspice found no solution at once for some starting points. It was run again, with "
                                "more patience and never with less accuracy:", "", ("where", "what was tried"), tried))
    if found.lot is not None:
        sections += _mismatch(found.lot, pictures.get("specimens", ""))
    cells = [[name, f"{count:,}", f"{units:,}"] for name, (count, units) in inventory.cells.items()]
    return [*sections, Section("Cells", "Strengths have " + ", ".join(f"{bits:.1f} bits ({name})" for name, bits in
                                                                   inventory.bits.items()) + ".", "",
                               ("cell", "devices", "units"), cells)]


def _tried(found: Gathered) -> list[list[str]]:
    """A row for every try of a starting point that found no solution at once."""
    return [[f"starting point {sample + 1}, {one.corner} {one.temperature:g} {CELSIUS}", text]
            for one in (found.confirmation, *found.corners) for sample, tries in one.retries.items() for text in tries]


def _mismatch(lot: LotStudy, picture: str) -> list[Section]:
    said, one = lot.record(), lot.sensitivity
    mean, equal, limit, expected = (_figure(lot.figure, value) for value in (said["mean"], lot.nominal, lot.limit, one.expected))
    figure, bound = lot.figure.replace("_", " "), "at least" if lot.figure == "accuracy" else "at most"
    squares = np.square(one.sources)
    sources = [[name, _quantity(float(volts), "V", 3), f"{100 * square / max(squares.sum(), 1e-30):.1f} %"]
               for name, volts, square in zip(SOURCES, one.sources, squares, strict=True)]
    cells = [[one.names[k], f"{one.areas[k]:,.1f} {AREA}", f"{100 * one.shares[k]:.1f} %", _gain(lot.figure, one.gains[k])]
             for k in lot.best]
    return [
        Section("Mismatch", f"{format_count(len(lot.figures), 'specimen')} on laws, {format_count(lot.samples, 'sample')} each: "
                f"{figure} {mean} on average, \N{PLUS-MINUS SIGN} {_figure(lot.figure, said['deviation'])}, and {equal} with "
                f"equal cells. {lot.good:,} of them {'has' if lot.good == 1 else 'have'} {bound} {limit}. Outputs spread by "
                f"{_quantity(lot.spread, 'V', 3)}; to first order, sources alone by these:",
                picture, ("source", "spread", "of the variance"), sources),
        Section("Area", f"To first order ({figure} {expected} on average): what each cell's mismatch is of the variance that "
                "decides, and what the figure gains where the area of this cell alone is doubled.", "",
                ("cell", "gates", "of the variance", "gain"), cells)]


def _gain(figure: str, value: float) -> str:
    return f"{100 * value:.3f} points" if figure == "accuracy" else f"{value:.3g}"


def _corner(one: Confirmation) -> list[str]:
    error = one.error
    return [one.corner, f"{one.temperature:g} {CELSIUS}", *(f"{100 * float(value):.2f} %" for value in (
        np.median(error), np.quantile(error, 0.95), error.max())), _quantity(float(one.power.mean()), "W", 3)]
