"""Transistors of every process with models: physics holds, and cut models have the digits of the whole library."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kcompile.diagnostics import ToolMissing
from kcompile.pdk.cell import load_cells
from kcompile.pdk.find import Installation, find_library
from kcompile.pdk.trim import Transistor, trim
from kcompile.verify.compile_osdi import place_modules, require_openvaf
from kcompile.verify.deck import Deck
from kcompile.verify.process import run_limited
from kcompile.verify.rawfile import read_raw
from kcompile.verify.run_ngspice import NGSPICE, run_ngspice

STEPS = 36


@dataclass(frozen=True)
class Process:
    """Volts of the supply; unit in which the models take sizes, in metres; shortest length in micrometres; amperes of a
    transistor of 1 um at the full voltage, as `ngspice -b` prints them for the whole library, NMOS and PMOS."""

    supply: float
    unit: float
    length: float
    full: tuple[float, float]

    def sizes(self, width: float) -> tuple[float, float]:
        """Width and length of a transistor of a width in micrometres, in the unit of the models."""
        return width * 1e-6 / self.unit, self.length * 1e-6 / self.unit


PROCESSES = {"sky130": Process(1.8, 1e-6, 0.15, (475.551e-6, 183.327e-6)),
             "gf180mcu": Process(3.3, 1.0, 0.28, (520.289e-6, 248.061e-6)),
             "ihp_sg13g2": Process(1.2, 1.0, 0.13, (400.361e-6, 211.318e-6))}
KINDS = ("nfet", "pfet")


@pytest.fixture(autouse=True)
def installed(name: str) -> None:
    """Skips where the models of a process, or what compiles them, are missing."""
    try:
        if find_library(name).modules:
            require_openvaf()
    except ToolMissing as missing:
        pytest.skip(missing.diagnostics[0].message)


def deck(found: Installation, kind: str, models: str, width: float = 1.0) -> str:
    """One transistor at the full voltage, whose gate is swept from off to on by `vx`."""
    process = PROCESSES[found.pdk]
    w, l = process.sizes(width)
    body = "xm d g 0 0" if kind == "nfet" else "xm 0 g d d"
    gate = "eg g 0 x 0 1" if kind == "nfet" else "eg d g x 0 1"
    options = "".join(f".options {one}\n" for one in found.library.options)
    return (f"* one transistor\n{models}\n{options}vd d 0 {process.supply}\nvx x 0 0\n{gate}\n"
            f"{body} {found.library.devices[kind]} w={w:.6g} l={l:.6g}\n"
            f".dc vx 0 {process.supply} {process.supply / STEPS}\n.save i(vd)\n.end\n")


def drain(name: str, kind: str, corner: str = "tt", width: float = 1.0) -> np.ndarray:
    """float64[STEPS + 1]: amperes through a transistor on cut models."""
    found = find_library(name)
    models = trim(found, corner, [Transistor(found.library.devices[kind], *PROCESSES[name].sizes(width))])
    files = {"main.cir": deck(found, kind, ".include models.lib", width), "models.lib": models.text}
    run = run_ngspice(Deck("main.cir", files, models.modules), until=PROCESSES[name].supply, expected=["i(vd)"])
    return -run.raw.columns(("i(vd)",))[:, 0]


def drain_of_the_whole_library(name: str, kind: str) -> np.ndarray:
    """The same on the files of the foundry, which no audited deck could include."""
    found = find_library(name)
    loads = "".join(f".control\npre_osdi {module.stem}.osdi\n.endc\n" for module in found.modules)
    parts = []
    for part in found.library.parts:
        file, _, section = part.partition(" ")
        parts.append(f".lib {found.folder / file} {section.format(corner=found.library.corners['tt'])}" if section
                     else f".include {found.folder / file}")
    with tempfile.TemporaryDirectory() as folder:
        place_modules(Deck("", {}, found.modules), folder)
        Path(folder, "main.cir").write_text(deck(found, kind, loads + "\n".join(parts)))
        run_limited([NGSPICE.find(), "-n", "-b", "-r", "out.raw", "main.cir"], folder)
        return -read_raw(Path(folder, "out.raw")).columns(("i(vd)",))[:, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PROCESSES)
def test_cut_models_have_the_digits_of_the_whole_library(name: str, kind: str) -> None:
    amperes = drain(name, kind)
    np.testing.assert_array_equal(amperes, drain_of_the_whole_library(name, kind))
    assert amperes[-1] == pytest.approx(PROCESSES[name].full[KINDS.index(kind)], rel=2e-6)


@pytest.mark.parametrize("name", ["sky130"])
@pytest.mark.parametrize("corner", ["tt", "sf"])
def test_models_cut_to_the_sizes_of_cells_have_the_digits_of_all_sizes(name: str, corner: str) -> None:
    found = find_library(name)
    sizes = sorted({one for cell in load_cells(name).values() for one in cell.transistors
                    if one.width is not None and "fet" in one.model})
    assert len(sizes) > 8
    cards = "".join(f"v{k} a d{k} 0\nxm{k} {f'0 0 d{k} d{k}' if 'pfet' in one.model else f'd{k} d{k} 0 0'} {one.model} "
                    f"w={one.width} l={one.length} m=3 mult=3\n" for k, one in enumerate(sizes))
    options = "".join(f".options {one}\n" for one in found.library.options)
    wires = [f"i(v{k})" for k in range(len(sizes))]
    amperes = []
    for wanted in (sizes, [Transistor(one.model) for one in sizes]):
        models = trim(found, corner, wanted)
        main = f"* all sizes\n.include models.lib\n{options}{cards}va a 0 1\n.dc va 0 1.8 0.1\n.save {' '.join(wires)}\n.end\n"
        run = run_ngspice(Deck("main.cir", {"main.cir": main, "models.lib": models.text}), until=1.8, expected=wires)
        amperes.append(run.raw.columns(wires))
    np.testing.assert_array_equal(*amperes)
    assert np.abs(amperes[0]).max() > 1e-5
    assert trim(found, corner, sizes).text.count(".model") == len(sizes), "one for each size, all outside"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PROCESSES)
def test_a_transistor_obeys_physics(name: str, kind: str) -> None:
    process = PROCESSES[name]
    amperes = drain(name, kind)
    volts = np.linspace(0.0, process.supply, STEPS + 1)
    assert np.all(np.diff(amperes) > 0) and amperes[0] < 1e-9
    # Threshold: where 100 nA flow for each square.
    threshold = np.interp(np.log(100e-9 / process.length), np.log(amperes), volts)
    assert 0.3 < threshold < 0.8
    # Below it a decade takes at least kT/q ln 10 = 59.6 mV at 27 C, and a little more than twice that where the gate is short.
    slope = np.log(10) * np.min(np.diff(volts) / np.diff(np.log(amperes)))
    assert 59.6e-3 < slope < 140e-3
    wide, wider = (drain(name, kind, width=width)[-1] for width in (5.0, 10.0))
    assert wider / wide == pytest.approx(2.0, rel=0.07)  # edges carry a part of their own
    slow, fast = (drain(name, kind, corner)[-1] for corner in ("ss", "ff"))
    assert 0.75 * amperes[-1] < slow < amperes[-1] < fast < 1.3 * amperes[-1]


@pytest.mark.parametrize("name", PROCESSES)
def test_holes_are_slower_than_electrons(name: str) -> None:
    assert 0.2 < drain(name, "pfet")[-1] / drain(name, "nfet")[-1] < 0.7
