"""A characterisation goes on after an interruption: cells that are done are kept, of the one that was not nothing is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kcompile.characterize import run
from kcompile.characterize.conditions import Bench, Condition
from kcompile.characterize.constants import Errors, Fitted
from kcompile.characterize.loads import Load
from kcompile.diagnostics import UsageError
from kcompile.pdk.cell import load_cells
from kcompile.pdk.fit import Mismatch


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
        patch.setattr(run, "measure_mismatch", lambda bench, condition, constants, watch: (Mismatch(*[0.0] * 5), {}))
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
