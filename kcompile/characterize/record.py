"""What was measured of a cell as files: `fit.toml` with everything, `fit.kc` with the constants of the typical condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kcompile.characterize.conditions import Condition
from kcompile.characterize.constants import Errors, Fitted
from kcompile.characterize.loads import Load
from kcompile.pdk.cell import Cell
from kcompile.pdk.fit import ERRORS, FittedPlates, Mismatch
from kcompile.units import REAL, format_unit

CONSTANTS = "fit.kc"


@dataclass(frozen=True)
class Measured:
    """What was measured of a cell. fits: by condition, the typical one first; loads: by subcircuit; mismatch: deviations of one
    unit, and by strength; plates: of a capacitor."""

    fits: Mapping[Condition, Fitted]
    loads: Mapping[str, Load]
    mismatch: tuple[Mismatch, Mapping[int, Mismatch]] | None
    plates: FittedPlates | None


def format_constants(cell: Cell, constants: Mapping[str, float], said: str) -> str:
    """Text of `fit.kc`; the numbers have the units of the law's constants."""
    dimensions = {} if cell.currents is None else cell.currents.dimensions
    lines = [f"// {said}"]
    for name, value in constants.items():
        dimension = dimensions.get(name, REAL)
        unit = "" if dimension == REAL else f" {format_unit(dimension)}"
        lines.append(f"const {name} = {_digits(value)}{unit};")
    return "\n".join(lines) + "\n"


def format_fit(stamp: str, sources: Mapping[str, str], measured: Measured) -> str:
    """Text of `fit.toml`. stamp: digest of everything the fit depends on; sources: what it was made with, by name."""
    loads, mismatch, fits, plates = measured.loads, measured.mismatch, measured.fits, measured.plates
    lines = ["# Written by `kcompile pdk characterize`.", f'stamp = "{stamp}"']
    lines += [f'{name} = "{value}"' for name, value in sources.items()]
    if plates is not None:
        lines += ["", "# Farads of one unit: area (w + edge) (l + edge), the mean over the range of voltages.",
                  "# density: farads over the area of all gates.", "[plates]"]
        lines += [f"{name} = {_digits(value)}" for name, value in vars(plates).items()]
    for name, load in loads.items():
        lines += ["", "[[load]]", f'subcircuit = "{name}"', *(f"{key} = {_digits(value)}" for key, value in vars(load).items())]
    if mismatch is not None:
        unit, drawn = mismatch
        lines += ["", "# Standard deviations: of one unit, and as they were drawn at some strengths."]
        lines += ["[mismatch]", *_spread(unit)]
        for strength, one in drawn.items():
            lines += ["", "[[mismatch.drawn]]", f"strength = {strength}", *_spread(one)]
    for condition, fitted in fits.items():
        lines += ["", "[[condition]]", f'corner = "{condition.corner}"', f"temperature = {condition.temperature!r}"]
        lines += list(_errors(fitted.errors))
        lines += ["", "[condition.constants]", *(f"{name} = {_digits(value)}" for name, value in fitted.constants.items())]
    return "\n".join(lines) + "\n"


def _spread(one: Mismatch) -> list[str]:
    return [f"{name} = {float(f'{value:.4g}')!r}" for name, value in vars(one).items()]


def _errors(errors: Errors) -> Iterator[str]:
    for name in ERRORS:
        yield f"{name} = {float(f'{getattr(errors, name):.3g}')!r}"


def _digits(value: float) -> str:
    """Six digits, ten times what the worst error is worth, so that a rounding of the simulator changes nothing."""
    return repr(float(f"{value:.6g}"))
