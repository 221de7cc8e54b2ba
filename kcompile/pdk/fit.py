"""What `fit.toml` says of a cell: constants of its law by condition, and what it weighs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from kcompile.diagnostics import CompileError, Diagnostic, UsageError, accepted, printable

FIT = "fit.toml"
Table = TypeVar("Table", "Mismatch", "FittedPlates")
ERRORS = ("worst", "most", "median", "imbalance")
"""Names of the distances that a fit leaves."""


@dataclass(frozen=True)
class Mismatch:
    """Standard deviations of one unit: of the offset in volts, of gain and imbalance as parts of full scale; and of what the bias
    lines do to the gain and the imbalance of all cells at once."""

    offset: float
    gain: float
    imbalance: float
    bias_gain: float
    bias_imbalance: float


@dataclass(frozen=True)
class FittedPlates:
    """Of a capacitor: area in farads per square micrometre and edge in micrometres, as in `Capacitor`; density: farads per square
    micrometre of all its gates, at the largest size that was measured."""

    area: float
    edge: float
    density: float


@dataclass(frozen=True)
class Fit:
    """Constants of the law by (corner, degrees Celsius); errors: distances of the law from the transistors there, `worst`, `most`
    (of 95 % of the points) and `median`, and `imbalance` of the two terminals, as parts of full scale; loads: farads of a unit of
    each subcircuit at a terminal; mismatch: None where the law has no specimens; plates: of a capacitor, whose errors are
    distances of its farads from those of the law, None of other cells."""

    constants: Mapping[tuple[str, float], Mapping[str, float]]
    errors: Mapping[tuple[str, float], Mapping[str, float]]
    loads: tuple[float, ...]
    mismatch: Mismatch | None
    plates: FittedPlates | None

    def at(self, corner: str, temperature: float) -> Mapping[str, float]:
        """Constants of a condition; raises `UsageError` KC0721 where the cell was not measured there."""
        if (corner, temperature) not in self.constants:
            where = f"in the corner {printable(corner, 40)} at {temperature:g} C"
            raise UsageError(Diagnostic("KC0721", f"cells are not measured {where}",
                                        hint=accepted([f"{one} {celsius:g}" for one, celsius in self.constants], 40)))
        return self.constants[corner, temperature]


def read_fit(folder: Path) -> Fit:
    """Fit of a cell in a folder; raises `CompileError` KC0725 where there is none, or one that was changed by hand."""
    path = folder / FIT
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
        parts = {(str(one["corner"]), float(one["temperature"])): one for one in content["condition"]}
        return Fit({key: {name: float(value) for name, value in one["constants"].items()} for key, one in parts.items()},
                   {key: {name: float(one[name]) for name in ERRORS} for key, one in parts.items()},
                   tuple(float(one["middle"]) for one in ([] if "plates" in content else content["load"])),
                   _read_table(Mismatch, content, "mismatch"),
                   _read_table(FittedPlates, content, "plates"))
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        shown = "/".join(path.parts[-4:])
        raise CompileError(Diagnostic("KC0725", f"{shown} is no fit of a cell: {printable(str(error))}",
                                      hint="`kcompile pdk characterize` writes it")) from None


def _read_table(kind: type[Table], content: Mapping[str, Any], name: str) -> Table | None:
    """The numbers of a table of `fit.toml`, None where there is no such table."""
    return kind(**{one.name: float(content[name][one.name]) for one in fields(kind)}) if name in content else None
