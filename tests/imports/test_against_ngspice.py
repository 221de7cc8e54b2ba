"""Netlists of a textbook: what is imported moves as ngspice says that the netlist itself moves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.imports.netlist import import_netlist
from kcompile.imports.spice_netlist import read_netlist
from kcompile.sim.integrate import simulate
from kcompile.syntax.format_source import format_source
from kcompile.verify.rawfile import Raw, read_raw

FOLDER = Path(__file__).parent / "netlists"
NETLISTS = sorted(FOLDER.glob("*.cir"))
SMALL = 1e-5
"""Largest error, relative to full scale."""


def ngspice(path: Path, folder: Path) -> Raw:
    if shutil.which("ngspice") is None:
        pytest.skip("ngspice is not installed")
    shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    done = subprocess.run(["ngspice", "-n", "-b", "-r", "out.raw", path.name], cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_raw(folder / "out.raw")


def compared(program: str, path: Path, folder: Path) -> dict[str, float]:
    """Error of a program in every node that it and the netlist know, relative to full scale."""
    raw = ngspice(path, folder)
    until = read_netlist(path).until
    assert until is not None
    circuit = kc.compile(kc.Source("imported.kc", program))
    time = np.minimum(raw.time, until)
    native = simulate(circuit, until=until, times=time, rtol=1e-10)
    theirs = {name[2:-1]: column for name, column in zip(raw.names, raw.values.T, strict=True) if name.startswith("v(")}
    both = [name for name in native.names[: native.nodes] if name in theirs]
    scale = max(np.ptp(theirs[name]) for name in both)
    return {name: float(np.abs(native[name] - theirs[name]).max() / scale) for name in both}


@pytest.mark.parametrize("path", NETLISTS, ids=lambda path: path.stem)
def test_waveforms(path: Path, tmp_path: Path) -> None:
    errors = compared(import_netlist(path).text, path, tmp_path)
    assert len(errors) >= 1
    assert max(errors.values()) < SMALL, errors


@pytest.mark.parametrize("path", NETLISTS, ids=lambda path: path.stem)
def test_programs_are_in_the_standard_layout(path: Path) -> None:
    found = import_netlist(path)
    source = kc.Source(f"{found.name}.kc", found.text)
    assert kc.check(source) == ()
    assert format_source(source) == found.text


def test_a_wrong_value_is_seen(tmp_path: Path) -> None:
    path = FOLDER / "rc.cir"
    program = import_netlist(path).text
    assert max(compared(program.replace("1500 Ohm", "1501 Ohm"), path, tmp_path).values()) > SMALL
