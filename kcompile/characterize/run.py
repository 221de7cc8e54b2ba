"""Cells of a process, measured and fitted one after the other; what was measured before and has not changed is kept."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kcompile.characterize.capacitance import fit_capacitor
from kcompile.characterize.conditions import Bench, Condition, conditions
from kcompile.characterize.constants import Fitted, fit_constants
from kcompile.characterize.currents import measure_currents
from kcompile.characterize.loads import Load, measure_load, measure_programmed
from kcompile.characterize.mismatch import measure_mismatch
from kcompile.characterize.record import CONSTANTS, Measured, format_constants, format_fit
from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest, printable
from kcompile.files import need_writable, sha256, write_files
from kcompile.pdk.cell import Currents, Plates, load_cells
from kcompile.pdk.find import find_library
from kcompile.pdk.fit import FIT, FittedPlates
from kcompile.pdk.load import load_pdk
from kcompile.verify.run_ngspice import probe_ngspice


@dataclass(frozen=True)
class Characterized:
    """A cell after its turn, with its fit in the typical condition where it was measured anew, and plates where it is a
    capacitor."""

    cell: str
    typical: Fitted | None
    plates: FittedPlates | None = None


def characterize(pdk: str, names: tuple[str, ...] = (), out: Path | None = None, root: Path | None = None, again: bool = False,
                 watch: Callable[[str], None] = lambda said: None) -> list[Characterized]:
    """Measure cells of a process and write their fits.

    names: cells, all by default; out: folder of the files, `PDK/CELL/`, the cells' own by default; root: a PDK root; again:
    measure what has not changed, too; watch: called with what is measured now. Raises `UsageError` KC0722 for a process
    without cells, KC0721 for a cell that it does not have, KC0513 for a folder that cannot be written, `ToolMissing`,
    `SimulatorFailed`.
    """
    described = load_pdk(pdk)
    cells = load_cells(pdk)
    if described.signals is None or not cells:
        raise UsageError(Diagnostic("KC0722", f"the process `{pdk}` has no cells", hint="sky130 has cells"))
    if unknown := [name for name in names if name not in cells]:
        raise UsageError(Diagnostic("KC0721", f"{pdk} has no cell `{printable(unknown[0], 60)}`",
                                    hint=nearest(unknown[0], cells) or accepted(cells)))
    found, version = find_library(pdk, root), probe_ngspice().version
    benches = {name: Bench(found, described.signals, cells[name], cells["bias"], watch) for name in names or cells}
    folders = {name: cells[name].folder if out is None else out / pdk / name for name in benches}
    stamps = {name: _stamp(bench, version) for name, bench in benches.items()
              if bench.cell.currents is not None or isinstance(bench.cell.plates, Plates)}
    changed = {name: stamp for name, stamp in stamps.items() if again or _stamp_of(folders[name] / FIT) != stamp}
    for name in changed:
        need_writable(folders[name])  # told now, not after minutes
    return [_measure(bench, folders[name], version, changed[name]) if name in changed else Characterized(name, None)
            for name, bench in benches.items()]


def _measure(bench: Bench, folder: Path, version: str, stamp: str) -> Characterized:
    """Measure a cell and write its fit."""
    cell = bench.cell
    command = f"kcompile pdk characterize {cell.pdk} --cell {cell.name}"
    measured = _capacitor(bench) if cell.currents is None else _currents(bench, cell.currents)
    typical = next(iter(measured.fits))
    sources = {"command": command, "ngspice": version, "library": bench.models(bench.signals.corners[0]).digest[:16]}
    said = f"Written by `{command}`: {typical}."
    write_files(folder, {CONSTANTS: format_constants(cell, measured.fits[typical].constants, said),
                         FIT: format_fit(stamp, sources, measured)})
    return Characterized(cell.name, measured.fits[typical], measured.plates)


def _capacitor(bench: Bench) -> Measured:
    plates, fits = fit_capacitor(bench, list(conditions(bench.signals)))
    return Measured(fits, {}, None, plates)


def _currents(bench: Bench, currents: Currents) -> Measured:
    cell, watch = bench.cell, bench.watch
    if not (cell.folder / CONSTANTS).is_file():
        write_files(cell.folder, {CONSTANTS: format_constants(cell, currents.constants, "values to begin with")})
    fits, start = {}, currents.constants
    for condition in conditions(bench.signals):
        watch(f"{cell.name}: currents, {condition}")
        maps = [measure_currents(bench, condition, units) for units in currents.units]
        fits[condition] = fit_constants(cell, maps, bench.full_scale, start)
        start = next(iter(fits.values())).constants
    typical = next(iter(fits))
    watch(f"{cell.name}: loads, {typical}")
    loads = _loads(bench, typical)
    apart = Condition(f"{typical.corner}_mm", typical.temperature)
    drawn = measure_mismatch(bench, apart, fits[typical].constants) if cell.drawn else None
    return Measured(fits, loads, drawn, None)


def _loads(bench: Bench, condition: Condition) -> dict[str, Load]:
    """Loads of all subcircuits."""
    cell = bench.cell
    if cell.bits:
        return {cell.subcircuits[0]: measure_programmed(bench, condition)}
    signs = (1, -1) if cell.signed else (1,)
    forms = [(sign, threshold) for threshold in ((0, 1) if cell.threshold else (0,)) for sign in signs]
    return {name: measure_load(bench, condition, *form) for name, form in zip(cell.subcircuits, forms, strict=True)}


def _stamp(bench: Bench, version: str) -> str:
    """Digest of all that the fit of a cell depends on."""
    cell = bench.cell
    texts = [(cell.folder / name).read_text() for name in ("cell.toml", "cell.spice", "law.kc")]
    texts += [bench.bias.netlist, version, repr(bench.signals)]
    texts += [bench.models(corner).digest for corner in bench.signals.corners]
    return sha256("\0".join(texts))[:16]


def _stamp_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return str(tomllib.load(file).get("stamp"))
    except (OSError, tomllib.TOMLDecodeError):
        return ""
