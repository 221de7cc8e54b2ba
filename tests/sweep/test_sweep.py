"""Sweeps: rows against closed forms and single runs, the same for any number of processes, and what a folder keeps."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
import kcompile.cli
from benchmarks.small_nets import NET, blobs
from kcompile.diagnostics import KcompileError
from kcompile.sweep.fan_out import fan_out
from kcompile.sweep.points import make_work, read_axes, read_values

DIVIDER = kc.Source("divider.kc", """use std.passive: Resistor, Capacitor;

circuit Divider(vin, vout) {
    param n: integer = 1;
    drive vin = dc(1 V);
    Resistor R1(vin, vout);
    Resistor R2(vout, gnd) { r = 1 kOhm };
    Capacitor C1(vout, gnd) { c = 1 pF };
    node x[n];
    Capacitor(k, gnd) { c = 1 pF } for k in x;
    Resistor leak(k, gnd) { r = 1 kOhm } for k in x;
    output vout;
}
""")
SETTLED = {"until": 100e-9, "rtol": 1e-9}


def codes(function: Callable[..., object], *arguments: object, **named: object) -> set[str]:
    with pytest.raises(KcompileError) as caught:
        function(*arguments, **named)
    return {one.code for one in caught.value.diagnostics}


def test_values_and_ranges() -> None:
    assert read_values("1kOhm, 2kOhm") == ("1kOhm", "2kOhm")
    assert read_values("lin(1pF,5pF,3),7pF") == ("1e-12 F", "3e-12 F", "5e-12 F", "7pF")
    assert read_values("log(1,100,3)") == ("1", "10", "100")
    assert read_values("[0.9, 0.99],[0.8, 0.9]") == ("[0.9, 0.99]", "[0.8, 0.9]")
    assert read_axes(["a=1,2", "b=x"]) == {"a": ("1", "2"), "b": ("x",)}
    works = make_work({"a": ("1", "2"), "b": ("3",)}, 25)
    assert [(work.first, len(work.draws)) for work in works] == [(0, 20), (0, 5), (25, 20), (25, 5)]
    assert [point for work in works for point in work.points] == list(range(50))


@pytest.mark.parametrize("text", ["lin(1,2)", "lin(1pF,2V,3)", "log(0,1,3)", "lin(1,2,1)", "lin(a,b,3)", ","])
def test_what_is_no_range(text: str) -> None:
    assert codes(read_values, text) == {"KC0580"}


def test_all_combinations_of_a_divider() -> None:
    table = kc.sweep(DIVIDER, {"R1.r": "1kOhm,3kOhm", "R2.r": [1000.0, 2000.0]}, jobs=1, **SETTLED)
    assert [(row["point"], row["R1.r"], row["R2.r"]) for row in table.rows] == [
        (0, 1000, 1000), (1, 1000, 2000), (2, 3000, 1000), (3, 3000, 2000)]
    np.testing.assert_allclose(table.column("vout"), [1 / 2, 2 / 3, 1 / 4, 2 / 5], rtol=1e-6)


def test_a_parameter_that_decides_the_structure() -> None:
    table = kc.sweep(DIVIDER, {"n": "1,3"}, jobs=1, **SETTLED)
    np.testing.assert_allclose(table.column("vout"), 0.5, rtol=1e-6)


def test_a_failure_is_a_row() -> None:
    table = kc.sweep(DIVIDER, {"R1.r": "0Ohm,1kOhm"}, jobs=1, **SETTLED)
    assert [row["point"] for row in table.failures] == [0] and str(table.failures[0]["failure"]).startswith("KC0505: ")
    assert table.rows[1]["vout"] == pytest.approx(0.5) and table.csv().splitlines()[0] == "point,R1.r,vout,failure"


def test_draws_have_the_spread_that_was_asked_for() -> None:
    table = kc.sweep(DIVIDER, spread={"R2.r": "1%", "leak.r": "1 Ohm"}, draws=400, jobs=1, **SETTLED)
    # d(R2 / (R1 + R2)) is a quarter of the relative deviation; 400 draws know a deviation to 3.5 %.
    drawn = np.array(table.column("vout"), dtype=float)
    assert drawn.std() == pytest.approx(0.0025, rel=0.15) and drawn.mean() == pytest.approx(0.5, abs=6e-4)
    again = kc.sweep(DIVIDER, {"R1.r": "1kOhm"}, spread={"R2.r": "1%", "leak.r": "1 Ohm"}, draws=3, jobs=1, **SETTLED)
    np.testing.assert_array_equal(again.column("vout"), drawn[:3])
    other = kc.sweep(DIVIDER, spread={"R2.r": "1%", "leak.r": "1 Ohm"}, draws=3, seed=1, jobs=1, **SETTLED)
    assert not set(other.column("vout")) & set(drawn[:3])


def test_two_processes_give_the_same_bytes() -> None:
    pytest.importorskip("joblib", reason="joblib is not installed")
    tables = [kc.sweep(DIVIDER, {"R1.r": "1kOhm,0Ohm,2kOhm"}, spread={"R2.r": "5%"}, draws=25, jobs=jobs, **SETTLED)
              for jobs in (1, 2)]
    assert tables[0].csv() == tables[1].csv() and len(tables[0].rows) == 75
    assert len(set(fan_out(_process, range(8), 2, None)) - {os.getpid()}) >= 1


def _process(number: int) -> int:
    return os.getpid()


def test_an_interrupted_sweep_goes_on(tmp_path: Path) -> None:
    """What is done is not run again: its rows are kept as they are, here with a mark; what failed is."""
    given = ({"R1.r": "0Ohm,1kOhm"},)
    named = {"spread": {"R2.r": "5%"}, "draws": 3, "jobs": 1, "out": tmp_path, **SETTLED}
    whole = kc.sweep(DIVIDER, *given, **named)
    lines = (tmp_path / "sweep.csv").read_text().splitlines()
    assert lines == whole.csv().splitlines() and len(lines) == 7
    (tmp_path / "sweep.csv").write_text("\n".join([*lines[:4], "3,1000,0,0.125,", ""]))
    seen: list[tuple[int, int]] = []
    again = kc.sweep(DIVIDER, *given, **named, resume=True, watch=lambda done, total: seen.append((done, total)))
    assert [row.get("vout") for row in again.rows[3:]] == [0.125, *whole.column("vout")[4:]] and seen[-1] == (6, 6)
    assert len(again.failures) == 3
    assert codes(kc.sweep, DIVIDER, *given, **named) == {"KC0568"}
    assert codes(kc.sweep, DIVIDER, *given, **(named | {"seed": 1}), resume=True) == {"KC0568"}
    (tmp_path / "sweep.json").write_text("{}")
    assert codes(kc.sweep, DIVIDER, *given, **named, resume=True) == {"KC0568"}


@pytest.mark.parametrize(("given", "named", "code"), [
    (({"R3.r": "1kOhm"},), {}, "KC0502"), (({"R1.r": "1V"},), {}, "KC0503"),
    (({"R1.r": "1kOhm,2V"},), {}, "KC0503"), (({},), {}, "KC0580"),
    (({"R1.r": "0Ohm"},), {}, "KC0505"), (({},), {"draws": 3}, "KC0580"),
    (({},), {"draws": 3, "spread": {"R9.r": "5%"}}, "KC0502"),
    (({},), {"draws": 3, "spread": {"R1.r": "5 V"}}, "KC0503"), (({},), {"draws": 3, "spread": {"R1.r": "-1%"}}, "KC0503"),
    (({"R1.r": "1kOhm"},), {"recipe": "r.toml"}, "KC0580"), (({"R1.r": "1kOhm"},), {"cluster": "here"}, "KC0580"),
    (({"R1.r": "lin(1kOhm,2kOhm,1000000)", "R2.r": "1kOhm,2kOhm"},), {}, "KC0580")])
def test_what_is_wrong_with_all_points_is_an_error(tmp_path: Path, given: tuple, named: dict, code: str) -> None:
    assert codes(kc.sweep, DIVIDER, *given, **named, **SETTLED, jobs=1, out=tmp_path / "out") == {code}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("package", "address"), [("joblib", None), ("distributed", "tcp://h:1"), ("ray", "ray://h:1")])
def test_a_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch, package: str, address: str | None) -> None:
    pytest.importorskip("joblib", reason="joblib is not installed")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(kc.ToolMissing, match="not installed"):
        kc.sweep(DIVIDER, {"R1.r": "1kOhm,2kOhm"}, cluster=address, jobs=2, **SETTLED)


# ---- trainings --------------------------------------------------------------------------------------------------------


def test_a_sweep_of_trainings(tmp_path: Path) -> None:
    """Names that a recipe has are its keys; each row is the training by itself, whose folder is beside the table."""
    pytest.importorskip("torch", reason="torch is not installed")
    recipe = kc.Recipe(epochs=2, steps=3, batch=16, scale=2.0)
    table = kc.sweep(NET, {"seed": "0,1", "mix.w.v0": "1V,2V"}, data=blobs(), recipe=recipe, jobs=1, out=tmp_path)
    assert len(table.rows) == 4 and not table.failures
    row = table.rows[3]
    fit = kc.train(kc.compile(NET, settings={"mix.w.v0": "2V"}), blobs(), recipe, seed=1)
    assert fit.report is not None and (row["seed"], row["mix.w.v0"], row["epochs"]) == (1, 2, 2)
    assert (row["test_loss"], row["test_accuracy"]) == fit.report.trained.parts["test"]
    assert (tmp_path / "0003" / "best.safetensors").exists()
    assert codes(kc.sweep, NET, {"seed": "0,x"}, data=blobs(), recipe=recipe) == {"KC0567"}
    assert codes(kc.sweep, NET, {"seed": "0"}, data=blobs(), spread={"mix.w.th": "5%"}, draws=2) == {"KC0580"}


# ---- command line -----------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("divider.kc").write_text(DIVIDER.text)

    def sweep(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kcompile", "sweep", "divider.kc", "--until", "100ns", "--jobs", "1", *words])
        with pytest.raises(SystemExit) as stopped:
            kcompile.cli.main()
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    code, out, said = sweep("--vary", "R1.r=1kOhm", "--monte-carlo", "2", "--spread", "R2.r=5%", "--seed", "3", "-o", "mc")
    assert (code, out, said) == (0, "2 points, 0 failed\n", "mc/sweep.csv\n")
    rows = list(csv.DictReader(Path("mc/sweep.csv").read_text().splitlines()))
    expected = kc.sweep("divider.kc", {"R1.r": "1kOhm"}, spread={"R2.r": "5%"}, draws=2, seed=3, until=100e-9, jobs=1)
    assert [float(row["vout"]) for row in rows] == expected.column("vout")
    code, out, said = sweep("--vary", "R1.r=0Ohm,1kOhm", "-o", "some")
    assert (code, out) == (1, "2 points, 1 failed\n") and "point 0: KC0505" in said
    assert sweep("--vary", "R1.r=0Ohm,1kOhm", "-o", "some")[0] == 2
    assert sweep("--vary", "R1.r=1kOhm", "--with", "epochs=3", "-o", "other")[0] == 2
