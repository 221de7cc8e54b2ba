"""Cells of a process: a law of the language, the subcircuits of transistors that compute it, and what was measured of them.

A cell is a folder `pdk_models/PDK/cells/NAME/`: `law.kc`, `cell.spice`, `cell.toml`, and `fit.toml` with `fit.kc`, which
`kcompile pdk characterize` writes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcompile.diagnostics import CompileError, Diagnostic, Reporter, Source, printable
from kcompile.ir.device import DeviceModel
from kcompile.pdk.fit import Fit, Mismatch, read_fit
from kcompile.pdk.schema import Malformed, only, texts
from kcompile.pdk.trim import Transistor
from kcompile.resources import data_folder
from kcompile.units import REAL, Dimension, parse_quantity

if TYPE_CHECKING:
    from kcompile.ir.expr import Law

_SUBCKT = re.compile(r"^\.subckt ([a-z0-9_]+)((?: [a-z0-9_]+)*)(?: params:.*)?$", re.MULTILINE)
_MODEL = re.compile(r"^x[^=\n]* (\w+) w=(\S+) l=(\S+)", re.MULTILINE)
MAX_BITS = 12
"""Of a strength; twice as many units for each."""


@dataclass(frozen=True)
class Currents:
    """How currents are measured: the step of both terminals' voltages, units of strength and threshold, and the constants of the
    law that follow, each with a value to begin with and its dimension, all in SI units. full_scale: amperes of one unit that
    errors are parts of, None for the unit current of the process."""

    step: float
    units: tuple[tuple[int, int], ...]
    full_scale: float | None
    constants: Mapping[str, float]
    dimensions: Mapping[str, Dimension]


@dataclass(frozen=True)
class Capacitor:
    """Farads of one unit of a capacitor: area (w + edge) (l + edge), with w and l between the sides, each on its grid, all in
    micrometres."""

    area: float
    edge: float
    sides: tuple[float, float]
    grid: tuple[float, float]

    def value(self, width: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Farads of a unit."""
        return self.area * (width + self.edge) * (length + self.edge)

    @property
    def least(self) -> float:
        """Farads of the smallest unit."""
        return float(self.value(np.array(self.sides[0]), np.array(self.sides[0])))

    def sized(self, farads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(widths, lengths, numbers of units) of capacitors of at least the smallest unit, nearly square, on the grid."""
        low, high = self.sides
        units = np.ceil(farads / float(self.value(np.array(high), np.array(high))) - 1e-9)
        one = farads / units / self.area
        width = np.clip(_on_grid(np.sqrt(one) - self.edge, self.grid[0]), low, high)
        return width, np.clip(_on_grid(one / (width + self.edge) - self.edge, self.grid[1]), low, high), units


def _on_grid(sizes: np.ndarray, grid: float) -> np.ndarray:
    return np.round(np.round(sizes / grid) * grid, 6)


@dataclass(frozen=True)
class Plates:
    """What is measured of a capacitor whose farads depend on its voltage: the step of the voltage, and widths and lengths; sides
    and grid are those of `Capacitor`."""

    step: float
    sizes: tuple[tuple[float, float], ...]
    sides: tuple[float, float]
    grid: tuple[float, float]


@dataclass(frozen=True)
class Cell:
    """One cell. device: name of its law, empty where programs do not name it; strength: the parameter that counts units, empty
    where nothing does; bits: how many of its pins say the strength, besides one for the sign, 0 where its transistors do;
    threshold: a second parameter that counts units, from 0 on, empty where there is none;
    drawn: name of its law with `offset`, `gain` and `imbalance` of one specimen, empty where there is none;
    subcircuits: for a positive strength, and for a negative one where there are two; the same again for thresholds above 0 where
    there is one; gated: the same with a clock that takes them off their nodes, none where there are no such; currents: None where
    the law has no constants that are fitted; plates: where it is a capacitor, with its farads or with what is measured of these;
    resistance: ohms of a switch that is closed, at most; carries: amperes that one unit of a rail takes from cells or gives to
    them, at most.
    symmetric: pairs of its transistors that a layout mirrors, and single ones on the axis."""

    pdk: str
    name: str
    folder: Path
    device: str
    strength: str
    bits: int
    threshold: str
    drawn: str
    subcircuits: tuple[str, ...]
    gated: tuple[str, ...]
    symmetric: tuple[tuple[str, ...], ...]
    currents: Currents | None
    plates: Capacitor | Plates | None
    resistance: float | None
    carries: float | None

    @cached_property
    def netlist(self) -> str:
        """Text of its subcircuits."""
        return (self.folder / "cell.spice").read_text(encoding="ascii")

    @cached_property
    def pins(self) -> Mapping[str, tuple[str, ...]]:
        """Pins of each subcircuit; those after the terminals of the law are lines that all cells share."""
        return {name: tuple(pins.split()) for name, pins in _SUBCKT.findall(self.netlist)}

    @property
    def signed(self) -> bool:
        """Whether it makes negative strengths."""
        return bool(self.bits) or len(self.subcircuits) == (4 if self.threshold else 2)

    def form(self, units: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Which of its subcircuits makes a strength and a threshold."""
        return (0 if self.bits else (units < 0) * 1) + (thresholds > 0) * (2 if self.signed else 1)

    def units(self, strength: Any, threshold: Any = 0.0) -> dict[str, Any]:
        """Parameters of its law that count units; numbers or arrays."""
        return {self.strength: strength, **({self.threshold: threshold} if self.threshold else {})}

    def weight(self, units: Any) -> Any:
        """How many times what `loads` says a strength loads a node; a number or an array."""
        return units * 0 + 1 if self.bits else abs(units)

    def levels(self, strength: int) -> dict[str, bool]:
        """Which of its pins for bits and sign are high, by pin, for a strength."""
        levels = {f"b{k}": bool(abs(strength) >> k & 1) for k in range(self.bits)}
        return {**levels, "sign": strength < 0} if self.bits else {}

    def sizes(self, strength: int, threshold: int = 0) -> dict[str, float]:
        """Parameters of the subcircuit that makes a strength and a threshold."""
        if self.bits:
            return {}
        return {self.strength: float(abs(strength)), **({self.threshold: float(threshold)} if threshold else {})}

    def full_scale(self, unit_current: float) -> float:
        """Amperes at a terminal of one unit at most, for the unit current of the process."""
        return unit_current if self.currents is None or self.currents.full_scale is None else self.currents.full_scale

    @property
    def transistors(self) -> frozenset[Transistor]:
        """Devices of the process that its subcircuits use, with sizes in micrometres where these are no parameters."""
        found = _MODEL.findall(self.netlist)
        return frozenset(Transistor(name, *(None if "{" in size else float(size) for size in sizes)) for name, *sizes in found)

    @cached_property
    def law(self) -> DeviceModel:
        """Its device, with the constants of `fit.kc`."""
        return self._model(self.device)

    @cached_property
    def specimen(self) -> DeviceModel:
        """Its device with what mismatch makes of it as parameters."""
        return self._model(self.drawn)

    def _model(self, device: str) -> DeviceModel:
        from kcompile.ir.model import ModelBuilder
        from kcompile.syntax import nodes
        from kcompile.syntax.check import check
        from kcompile.syntax.load import load

        report = Reporter()
        path = self.folder / "law.kc"
        module = load(Source(f"{self.pdk}/{self.name}.kc", path.read_text()), self.folder, report)
        if not report.failed:
            check(module, report)
        report.raise_errors()
        declaration = module.names[device][0]
        assert isinstance(declaration, nodes.Device)
        return ModelBuilder().model(declaration, module)

    @cached_property
    def fit(self) -> Fit:
        """What was measured of it; raises `CompileError` KC0725."""
        return read_fit(self.folder)

    @cached_property
    def capacitor(self) -> Capacitor | None:
        """Its farads where it is a capacitor; raises `CompileError` KC0725."""
        if not isinstance(self.plates, Plates):
            return self.plates
        if self.fit.plates is None:
            raise CompileError(Diagnostic("KC0725", f"the fit of {self.pdk}/{self.name} has no capacitance"))
        return Capacitor(self.fit.plates.area, self.fit.plates.edge, self.plates.sides, self.plates.grid)

    @property
    def mismatch(self) -> Mismatch:
        """Deviations of one unit; raises `CompileError` KC0725 for a cell of which none were measured."""
        if self.fit.mismatch is None:
            raise CompileError(Diagnostic("KC0725", f"the fit of {self.pdk}/{self.name} has no mismatch",
                                          hint="`kcompile pdk characterize` measures that of a cell with a `drawn` law"))
        return self.fit.mismatch

    def makes(self, model: DeviceModel) -> bool:
        """Whether a device has the law of this cell, whatever the values of its constants."""
        law = self.law
        return (model.name, model.terminals) == (law.name, law.terminals) and _form(model) == _form(law)

    def law_with(self, constants: Mapping[str, float]) -> DeviceModel:
        """The law with other values of some constants."""
        law = self.law
        return replace(law, constants=tuple((name, constants.get(name, value)) for name, value in law.constants))


def _form(model: DeviceModel) -> Law:
    return replace(model, constants=()).law


def load_cells(pdk: str | None) -> dict[str, Cell]:
    """Cells of a process by name, none without a process; raises `CompileError` KC0724 for a malformed description."""
    if not pdk:
        return {}
    return {path.parent.name: _read(pdk, path) for path in sorted(data_folder("pdk_models").glob(f"{pdk}/cells/*/cell.toml"))}


def find_cell(cells: Mapping[str, Cell], model: DeviceModel) -> Cell | None:
    """The cell that has the law of a device, if there is one."""
    return next((cell for cell in cells.values() if cell.device and cell.makes(model)), None)


def _read(pdk: str, path: Path) -> Cell:
    name = path.parent.name
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
        only(content, ("device", "strength", "bits", "threshold", "drawn", "subcircuits", "gated", "symmetric", "current",
                       "capacitor", "resistance", "carries"), "a cell.toml")
        device, strength, threshold, drawn = (content.get(key, "") for key in ("device", "strength", "threshold", "drawn"))
        if not all(isinstance(one, str) for one in (device, strength, threshold, drawn)):
            raise Malformed("`device`, `strength`, `threshold` and `drawn` are names")
        if bool(strength) != ("current" in content) or (strength and not device):
            raise Malformed("`strength` and `[current]` are both there or none, with a `device`")
        if device and not strength and "capacitor" not in content:
            raise Malformed("a `device` has a `strength`, or is a capacitor")
        bits = content.get("bits", 0)
        if type(bits) is not int or not 0 <= bits <= MAX_BITS or (bits and not strength):
            raise Malformed(f"`bits` is a whole number up to {MAX_BITS}, of a cell with a strength")
        subcircuits, gated = texts(content, "subcircuits"), texts(content, "gated")
        if len(subcircuits) not in ((2, 4) if threshold else (1, 2)):
            raise Malformed("`subcircuits` are one, or two for both signs, and the same again for thresholds")
        if gated and len(gated) != len(subcircuits):
            raise Malformed("`gated` are as many as `subcircuits`, or none")
        resistance, carries = content.get("resistance"), content.get("carries")
        if not all(one is None or (isinstance(one, float) and one > 0) for one in (resistance, carries)):
            raise Malformed("`resistance` is a number of ohms above 0, `carries` one of amperes")
        currents = _currents(content["current"]) if "current" in content else None
        capacitor = _capacitor(content["capacitor"]) if "capacitor" in content else None
        return Cell(pdk, name, path.parent, device, strength, bits, threshold, drawn, subcircuits, gated, _pairs(content),
                    currents, capacitor, resistance, carries)
    except (Malformed, tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        shown = f"pdk_models/{pdk}/cells/{name}/cell.toml"
        raise CompileError(Diagnostic("KC0724", f"{shown}: {printable(str(error))}")) from None


def _pairs(content: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    given = content.get("symmetric", [])
    if not isinstance(given, list) or not all(isinstance(one, list) and 1 <= len(one) <= 2 and all(
            isinstance(name, str) for name in one) for one in given):
        raise Malformed("`symmetric` is a list of pairs of names, and of single ones")
    return tuple(map(tuple, given))


def _currents(table: Mapping[str, Any]) -> Currents:
    only(table, ("step", "units", "full_scale", "constants"), "[current]")
    step, units, constants, full = (table.get(key) for key in ("step", "units", "constants", "full_scale"))
    if not isinstance(step, float) or not step > 0:
        raise Malformed("`step` is a number of volts above 0")
    if not isinstance(units, list) or not units or not all(
            isinstance(one, list) and len(one) == 2 and all(type(number) is int for number in one) and one[0] for one in units):
        raise Malformed("`units` are pairs of whole numbers, a strength that is not 0 and a threshold")
    if full is not None and not (isinstance(full, float) and full > 0):
        raise Malformed("`full_scale` is a number of amperes above 0")
    if not isinstance(constants, dict) or not constants:
        raise Malformed("`[current.constants]` is a table of quantities")
    try:
        read = {name: parse_quantity(str(value)) for name, value in constants.items()}
    except ValueError as error:
        raise Malformed(str(error)) from None
    return Currents(step, tuple((one, other) for one, other in units), full, {name: value for name, (value, _) in read.items()},
                    {name: dimension or REAL for name, (_, dimension) in read.items()})


def _capacitor(table: Mapping[str, Any]) -> Capacitor | Plates:
    measured = "step" in table
    only(table, ("sides", "grid", *(("step", "sizes") if measured else ("area", "edge"))), "[capacitor]")
    sides, grid = _pair(table.get("sides"), "sides"), _pair(table.get("grid"), "grid")
    if not sides[0] < sides[1]:
        raise Malformed("`sides` are two numbers of micrometres, the smaller one first")
    if not measured:
        area, edge = _pair([table.get("area"), table.get("edge")], "area and edge")
        return Capacitor(area, edge, sides, grid)
    sizes = table.get("sizes")
    if not isinstance(sizes, list) or not sizes:
        raise Malformed("`sizes` is a list of widths and lengths")
    return Plates(_pair([table["step"], 1.0], "step")[0], tuple(_pair(one, "sizes") for one in sizes), sides, grid)


def _pair(given: Any, name: str) -> tuple[float, float]:
    if not isinstance(given, list) or len(given) != 2 or not all(isinstance(one, float) and one > 0 for one in given):
        raise Malformed(f"`{name}` of `[capacitor]` are numbers above 0, with a point")
    return given[0], given[1]
