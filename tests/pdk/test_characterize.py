"""A characterisation goes on after an interruption: cells that are done are kept, of the one that was not nothing is left."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kcompile.characterize import run
from kcompile.characterize.conditions import Bench, Condition
from kcompile.characterize.constants import Errors, Fitted
from kcompile.characterize.currents import measure_currents
from kcompile.characterize.loads import Load
from kcompile.diagnostics import UsageError
from kcompile.pdk.cell import load_cells
from kcompile.pdk.find import find_library
from kcompile.pdk.fit import Mismatch
from kcompile.pdk.load import load_pdk
from kcompile.verify.retry import STATIC


class Measurement:
    """Takes the place of ngspice: says which cells were measured, and is interrupted in a condition of one."""

    def __init__(self, patch: pytest.MonkeyPatch, interrupted: str) -> None:
        cells = load_cells("sky130")
        pair = cells["tanh_pair"]
        patch.setattr(run, "load_cells", lambda pdk: {"bias": cells["bias"], "one": replace(pair, name="one"),
                                                      "two": replace(pair, name="two")})
        patch.setattr(run, "measure_currents", self.currents)
        patch.setattr(run, "fit_constants", lambda cell, maps, unit, start: Fitted(start, Errors(0.0, 0.0, 0.0, 0.0)))
        patch.setattr(run, "measure_load", lambda bench, condition, *units: Load(1e-15, 1e-15, 1e-15, 0.0))
        patch.setattr(run, "measure_mismatch", lambda bench, condition, constants: (Mismatch(*[0.0] * 5), {}))
        self.measured: list[tuple[str, str]] = []
        self.interrupted = interrupted

    def currents(self, bench: Bench, condition: Condition, units: tuple[int, int]) -> None:
        if (bench.cell.name, str(condition)) == (self.interrupted, "ff -40 C"):
            raise KeyboardInterrupt
        self.measured.append((bench.cell.name, str(condition)))

    @property
    def cells(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.measured))


def test_a_folder_that_cannot_be_made_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sky130").write_text("a file")
    measurement = Measurement(monkeypatch, "")
    with pytest.raises(UsageError) as caught:
        run.characterize("sky130", out=tmp_path)
    assert caught.value.diagnostics[0].code == "KC0513" and measurement.cells == []


@pytest.mark.parametrize("wrong", ["one", "two"])
def test_a_folder_that_takes_no_files_is_told_before_any_cell_is_measured(
        wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a read-only folder; permissions stop no administrator, so the file system is played here."""
    def refused(dir: Path) -> None:
        if dir.name == wrong:
            raise PermissionError(13, "Permission denied")
        return real(dir=dir)

    real = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    measurement = Measurement(monkeypatch, "")
    with pytest.raises(UsageError, match=f"KC0513.*{wrong} cannot be written: Permission denied"):
        run.characterize("sky130", out=tmp_path)
    assert measurement.cells == []


def test_a_measurement_that_finds_no_solution_is_tried_again_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operating point has no steps, so patience is all that is tried."""
    if (real := shutil.which("ngspice")) is None:
        pytest.skip("ngspice is not found on PATH")
    program = tmp_path / "ngspice"
    program.write_text(f"""#!/bin/sh
grep -q itl1=1000 main.cir || {{ echo 'doAnalyses: DC:  No convergence'; echo 'Timestep too small'; exit 1; }}
exec {real} "$@"
""")
    program.chmod(0o755)
    described, cells = load_pdk("sky130"), load_cells("sky130")
    said: list[str] = []
    bench = Bench(find_library("sky130"), described.signals, cells["tanh_pair"], cells["bias"], said.append)
    at_once = measure_currents(bench, Condition("tt", 27.0), (1, 0))
    assert said == []
    monkeypatch.setenv("KCOMPILE_NGSPICE", str(program))
    later = measure_currents(bench, Condition("tt", 27.0), (1, 0))
    np.testing.assert_allclose(later.into, at_once.into, rtol=1e-6, atol=1e-9, err_msg="no try is less exact")
    first, second = said
    assert first.startswith("tanh_pair: as it is: ngspice found no solution") and second == f"tanh_pair: {STATIC[1]}: a solution"


def test_cells_that_are_done_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Measurement(monkeypatch, "two")
    with pytest.raises(KeyboardInterrupt):
        run.characterize("sky130", out=tmp_path)
    assert first.cells == ["one", "two"]
    written = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert sorted(written) == ["sky130/one/fit.kc", "sky130/one/fit.toml"]
    second = Measurement(monkeypatch, "")
    done = run.characterize("sky130", out=tmp_path)
    assert second.cells == ["two"] and len(set(second.measured)) == 15
    assert [(one.cell, one.typical is None) for one in done] == [("bias", True), ("one", True), ("two", False)]
    third = Measurement(monkeypatch, "one")
    run.characterize("sky130", out=tmp_path)
    assert third.cells == []
    with pytest.raises(KeyboardInterrupt):
        run.characterize("sky130", ("one",), out=tmp_path, again=True)
    assert all((tmp_path / name).read_text() == text for name, text in written.items())
