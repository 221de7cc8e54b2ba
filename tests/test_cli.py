"""The command line as others script against it: options, files, formats, exit codes; the functions do the same."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import kcompile as kc
import kcompile.cli
from kcompile.files import sha256

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")

FILES = {
    "low_pass.kc": """use std.passive: Resistor, Capacitor;
circuit LowPass(vin, vout) {
    drive vin = pulse(0 V, 1 V, rise = 1 ns);
    Resistor R1(vin, vout) { r = 10 kOhm };
    Capacitor C1(vout, gnd) { c = 1 pF };
    output vout;
}
""",
    "net.kc": """use std.passive: Capacitor, Inductor;
use std.kirchhoff: ShiftRelu;
circuit Cell(a) { node y; Capacitor(y, gnd) { c = 1 F }; ShiftRelu w(a, y) { k = 1 S }; }
circuit Net {
    param n: integer = 2 in [1, 8];
    param s: conductance = 1 S in [0 S, 2 S] trainable;
    node x[n, 3], a[4];
    Capacitor(m, gnd) { c = 1 F } for m in x + a;
    Inductor L1(a[0], gnd) { l = 1 H };
    Cell cell[k](a[k]) for k in 0..3;
    phase mix for 1 s { ShiftRelu w(x[0, j], a[j]) { k = s } for j in 0..3; }
    phase read for 500 ms { ShiftRelu r(x[n - 1, j], a[j]) { k = 0.5 S } for j in 0..3; }
    input a;
    output x;
}
""",
    "two.kc": """use std.passive: Capacitor, Resistor;
circuit A { node a; Capacitor(a, gnd); Resistor(a, gnd); }
circuit B { node b; Capacitor(b, gnd); Resistor(b, gnd); }
""",
    "wrong file.kc": "use std.passive: Resistor;\ncircuit W(a, b) { drive a = dc(1 V); Resistr R1(a, b) { r = 1 V }; }\n",
}


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def kcompile_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `kcompile WORDS` in a folder with the models above; nothing ever prints a traceback."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["kcompile", *words])
        with pytest.raises(SystemExit) as stopped:
            kcompile.cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Done(int(stopped.value.code or 0), said.out, said.err)

    return run


def refused(done: Done, exit_code: int, *parts: str) -> None:
    """The exit code, every part in the message, and nothing on the standard output."""
    assert done.code == exit_code, done
    for part in parts:
        assert part in done.err, done.err
    assert done.out == ""


# ---- compile ----------------------------------------------------------------------------------------------------------


def test_compile_writes_four_files_and_names_them(kcompile_run: Run, tmp_path: Path) -> None:
    done = kcompile_run("low_pass.kc", "--target", "spice", "--until", "50ns", "-o", "out/deep")
    names = ["LowPass.spice", "LowPass_tb.cir", "LowPass.map.json", "LowPass.manifest.json"]
    assert (done.code, done.out, done.err.split()) == (0, "", [f"out/deep/{name}" for name in names])
    assert sorted(os.listdir(tmp_path / "out/deep")) == sorted(names)
    again = kcompile_run("compile", "low_pass.kc", "--until", "50ns")
    assert (again.code, again.err.split()) == (0, names), "the default folder is the current one"
    assert (tmp_path / "LowPass.spice").read_text() == (tmp_path / "out/deep/LowPass.spice").read_text()


def test_the_functions_give_the_same_files(kcompile_run: Run, tmp_path: Path) -> None:
    assert kcompile_run("net.kc", "--input", "1,2,3,4", "--set", "n=3", "--set", "L1.l=2H", "-o", "out").code == 0
    circuit = kc.compile("net.kc", settings={"n": 3, "L1.l": "2H"}, inputs=[1, 2, 3, 4])
    for artifact in kc.lower(circuit):
        assert (tmp_path / "out" / artifact.name).read_text("utf-8") == artifact.text, artifact.name


def test_the_manifest_says_how_the_files_came_to_be(kcompile_run: Run, tmp_path: Path) -> None:
    Path("base.kc").write_text("const c1 = 1 pF;\n")
    Path("values.kc").write_text('use "base.kc";\nconst c0 = 2 * c1;\n')
    Path("uses.kc").write_text('use "values.kc";\n' + FILES["low_pass.kc"].replace("1 pF", "c0").replace("LowPass", "Uses"))
    safetensors.numpy.save_file({"C1.c": np.full(1, 3e-12)}, "weights")
    assert kcompile_run("uses.kc", "--until", "50ns", "--weights", "weights", "--rtol", "1e-5").code == 0
    made = json.loads(Path("Uses.manifest.json").read_text())
    assert made["command"] == ["kcompile", "uses.kc", "--until", "50ns", "--weights", "weights", "--rtol", "1e-5"]
    assert set(made["sources"]) == {"uses.kc", "values.kc", "base.kc", "std/passive.kc", "weights"}
    assert made["sources"]["values.kc"] == sha256(Path("values.kc").read_bytes())
    assert made["files"] == {name: sha256(Path(name).read_bytes()) for name in ("Uses.spice", "Uses_tb.cir", "Uses.map.json")}
    assert (made["options"]["until"], made["options"]["rtol"], made["kcompile"]) == (50e-9, 1e-5, kc.__version__)
    assert set(made["versions"]) >= {"python", "numpy", "scipy"}


# ---- passes -----------------------------------------------------------------------------------------------------------

PARALLEL = """use std.passive: Capacitor, Resistor;
circuit Parallel {
    node x, unused;
    Capacitor(n, gnd) { c = 1 nF } for n in x + unused;
    Resistor R[k](x, gnd) { r = 1 kOhm } for k in 0..4;
    input x;
    output x;
}
"""


def test_passes_change_the_netlist_and_stand_in_the_manifest(kcompile_run: Run) -> None:
    Path("parallel.kc").write_text(PARALLEL)
    words = ("--until", "1us", "--input", "1", "--passes", "merge-parallel,range-analysis,prune{threshold=1 uA}")
    done = kcompile_run("parallel.kc", "-o", "out", *words)
    assert done.err.splitlines()[0] == "merge-parallel: 6 -> 3 devices"
    assert "Rr_0 x 0 250.0\n" in Path("out/Parallel.spice").read_text()
    made = json.loads(Path("out/Parallel.manifest.json").read_text())
    merge, ranges, prune = made["options"]["passes"]
    assert merge == {"pass": "merge-parallel", "options": {}, "contract": "exact", "facts": {"devices": [6, 3]}}
    assert ranges["options"]["samples"] == 16 and made["seed"] == 0
    assert prune["contract"] == "bounded" and prune["bounds"] == {"rate": 0.0}
    plain = json.loads(Path("out/Parallel.manifest.json").read_text()) if not kcompile_run(
        "parallel.kc", "-o", "out", "--until", "1us").code else {}
    assert plain["options"]["passes"] == [] and plain["seed"] is None


def test_every_verb_runs_the_passes(kcompile_run: Run) -> None:
    Path("parallel.kc").write_text(PARALLEL)
    done = kcompile_run("simulate", "parallel.kc", "--until", "1us", "--passes", "dead-nodes", "--points", "2", "--out", "a.csv")
    assert done.err.startswith("dead-nodes: 2 -> 1 nodes, 6 -> 5 devices")
    assert Path("a.csv").read_text().splitlines()[0] == "time,x"


def test_print_after_diff_stop_after_and_times(kcompile_run: Run) -> None:
    Path("parallel.kc").write_text(PARALLEL)
    words = ("parallel.kc", "--target", "ir", "--passes", "merge-parallel,dead-nodes")
    plain = kcompile_run(*words)
    assert plain.out == kc.lower(kc.compile("parallel.kc", passes="merge-parallel,dead-nodes"), "ir")[0].text
    printed = kcompile_run(*words, "--print-after", "merge-parallel")
    assert kc.lower(kc.compile("parallel.kc", passes="merge-parallel"), "ir")[0].text in printed.err
    assert printed.out == plain.out
    assert kcompile_run(*words, "--print-after", "all").err.count("kcir 1") == 2
    changes = kcompile_run(*words, "--diff").err
    assert "--- before merge-parallel" in changes and "-param r 4 * 1000.0" in changes and "+param r 250.0" in changes
    stopped = kcompile_run(*words, "--stop-after", "merge-parallel")
    assert "dead-nodes" not in stopped.err and "nodes unused 1" in stopped.out
    assert re.search(r"merge-parallel: .* \([0-9.e-]+ s\)", kcompile_run(*words, "--time-passes").err)


def test_mistakes_in_passes(kcompile_run: Run) -> None:
    refused(kcompile_run("net.kc", "--passes", "simplfy"), 2, "KC0801", "did you mean `simplify`?", "--passes:1:1")
    refused(kcompile_run("net.kc", "--passes", "simplify", "--stop-after", "prune"), 2, "KC0801", "it holds simplify")
    refused(kcompile_run("net.kc", "--print-after", "prune"), 2, "KC0801", "give --passes")
    refused(kcompile_run("net.kc", "--plugin", "none.py"), 2, "KC0501", "none.py")
    refused(kcompile_run("passes", "prun"), 2, "KC0801", "did you mean `prune`?")
    assert not Path("Net.spice").exists()
    assert len(kcompile_run("passes").out.splitlines()) == 12
    assert "prune (bounded)" in kcompile_run("passes", "prune").out


# ---- targets ----------------------------------------------------------------------------------------------------------


def test_target_ir_is_printed_or_written_and_needs_no_end(kcompile_run: Run, tmp_path: Path) -> None:
    done = kcompile_run("low_pass.kc", "--target", "ir")
    assert (done.code, done.err, done.out.splitlines()[0]) == (0, "", "kcir 1")
    assert done.out == kc.lower("low_pass.kc", "ir")[0].text
    assert kcompile_run("low_pass.kc", "--target", "ir", "-o", "out").code == 0
    assert sorted(os.listdir("out")) == ["LowPass.kcir", "LowPass.manifest.json"]
    assert Path("out/LowPass.kcir").read_text() == done.out
    assert kcompile_run("out/LowPass.kcir", "--target", "ir").out == done.out, "canonical text is read again"


def test_dialects(kcompile_run: Run) -> None:
    assert kcompile_run("net.kc", "-o", "ng", "--dialect", "ngspice").code == 0
    assert kcompile_run("net.kc", "-o", "xy", "--dialect", "xyce").code == 0
    assert Path("ng/Net.spice").read_text() != Path("xy/Net.spice").read_text()
    refused(kcompile_run("net.kc", "--dialect", "ngspce"), 2, "KC0509", "did you mean `ngspice`?")
    refused(kcompile_run("net.kc", "--dialect", "xyce", "--target", "ir"), 2, "KC0509", "has no dialect")


def test_the_end_is_needed_without_phases_and_may_carry_a_unit(kcompile_run: Run) -> None:
    refused(kcompile_run("low_pass.kc"), 2, "KC0508", "--until 50ns")
    refused(kcompile_run("simulate", "low_pass.kc", "--out", "a.csv"), 2, "KC0508")
    refused(kcompile_run("verify", "low_pass.kc"), 2, "KC0508")
    refused(kcompile_run("low_pass.kc", "--target", "ir", "--check"), 2, "KC0508")
    assert not Path("LowPass.spice").exists()
    for text, seconds in (("50ns", 50e-9), ("5e-8", 5e-8), ("0.05us", 0.05e-6), ("50 ns", 50e-9), ("1ms", 1e-3)):
        assert kcompile_run("low_pass.kc", "--until", text).code == 0
        assert json.loads(Path("LowPass.manifest.json").read_text())["options"]["until"] == seconds
    for text in ("0", "-5ns", "inf", "50mV", "50 parsec", "nan", ""):
        refused(kcompile_run("low_pass.kc", "--until", text), 2, "KC0503", "--until")


def test_the_end_is_that_of_the_phases_or_before(kcompile_run: Run) -> None:
    assert kcompile_run("net.kc").code == 0
    assert json.loads(Path("Net.manifest.json").read_text())["options"]["until"] == 1.5
    assert kcompile_run("simulate", "net.kc", "--until", "700ms", "--points", "2", "--out", "a.csv").code == 0
    assert Path("a.csv").read_text().splitlines()[-1].startswith("0.69999999999999996,")
    refused(kcompile_run("simulate", "net.kc", "--until", "2s", "--out", "a.csv"), 2, "KC0508", "1.5 s")
    refused(kcompile_run("net.kc", "--until", "2s", "-o", "out"), 2, "KC0508", "1.5 s")
    for until in (-1.0, 0.0, float("nan")):
        for verb in (kc.lower, kc.simulate, kc.verify):
            with pytest.raises(kc.UsageError, match="KC0503"):
                verb("net.kc", until=until)


# ---- simulate ---------------------------------------------------------------------------------------------------------


def test_csv(kcompile_run: Run) -> None:
    done = kcompile_run("simulate", "net.kc", "--input", "1,2,3,4", "--points", "7", "--out", "a.csv")
    assert (done.code, done.out) == (0, "")
    assert re.match(r"mix: explicit .* steps\nread: explicit .* steps\n$", done.err)
    text = Path("a.csv").read_bytes().decode("ascii")
    head, *lines = text.rstrip("\n").split("\n")
    assert head == ('time,"x[0,0]","x[0,1]","x[0,2]","x[1,0]","x[1,1]","x[1,2]",a[0],a[1],a[2],a[3],'
                    "cell[0].y,cell[1].y,cell[2].y,L1.i")
    rows = [[float(cell) for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)))]
    assert lines == [",".join(f"{value:.17g}" for value in row) for row in rows]
    assert [row[0] for row in rows] == np.linspace(0.0, 1.5, 7).tolist()
    waves = kc.simulate(kc.compile("net.kc", inputs=[1, 2, 3, 4]), points=7)
    assert next(csv.reader([head])) == ["time", *waves.names]
    np.testing.assert_array_equal([row[1:] for row in rows], waves.values)
    assert rows[0][7:11] == [1, 2, 3, 4]


def test_npz_and_svg(kcompile_run: Run) -> None:
    assert kcompile_run("simulate", "low_pass.kc", "--until", "50ns", "--out", "new/a.npz").code == 0
    with np.load("new/a.npz") as made:
        assert made["names"].tolist() == ["vin", "vout"]
        assert made["time"].shape == (501,)
        assert made["values"].shape == (501, 2)
        assert made["values"][-1, 1] == pytest.approx(1 - np.exp(-5), rel=0.05)
    assert kcompile_run("simulate", "low_pass.kc", "--until", "50ns", "--out", "a.SVG").code == 0
    assert ElementTree.parse("a.SVG").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_what_simulate_refuses(kcompile_run: Run) -> None:
    refused(kcompile_run("simulate", "net.kc"), 2, "--out")
    refused(kcompile_run("simulate", "net.kc", "--out", "a.txt"), 2, "KC0509", ".csv, .npz, .svg")
    refused(kcompile_run("simulate", "net.kc", "--out", "a"), 2, "KC0509", ".csv, .npz, .svg")
    refused(kcompile_run("simulate", "net.kc", "--out", "a.csv", "--points", "1"), 2, "--points")
    refused(kcompile_run("simulate", "net.kc", "--out", "net.kc/a.csv"), 2, "KC0513", "is a file")
    for rtol in ("0", "-1", "nan", "1", "1e-20"):
        refused(kcompile_run("simulate", "net.kc", "--out", "a.csv", "--rtol", rtol), 2, "KC0503", "rtol")
    refused(kcompile_run("net.kc", "--rtol", "0"), 2, "KC0503", "rtol")
    assert not Path("a.csv").exists()


def test_a_tolerance_is_used(kcompile_run: Run) -> None:
    steps = []
    for rtol in ("1e-3", "1e-12"):
        done = kcompile_run("simulate", "net.kc", "--input", "1,2,3,4", "--rtol", rtol, "--out", "a.csv")
        steps.append(int(re.findall(r"(\d+) steps", done.err)[0]))
    assert steps[0] < steps[1]


# ---- input, settings, weights, top ------------------------------------------------------------------------------------


def test_input_as_list_npy_and_csv(kcompile_run: Run) -> None:
    np.save("v.npy", np.array([[1.0, -2.0], [3.0, 0.5]]))
    Path("v.csv").write_text("1,-2\n3,0.5\n")
    made = []
    for given in ("1,-2,3,0.5", "1 V,-2V,3,500mV", "v.npy", "v.csv"):
        assert kcompile_run("simulate", "net.kc", "--input", given, "--points", "2", "--out", "a.csv").code == 0
        made.append(Path("a.csv").read_text())
    assert len(set(made)) == 1
    assert made[0].splitlines()[1].split(",")[7:11] == ["1", "-2", "3", "0.5"]
    assert kcompile_run("simulate", "net.kc", "--input", "-1,2,3,4", "--out", "a.csv").code == 0, "a list may start with a minus"


@pytest.mark.parametrize(("given", "parts"), [
    ("1,2,3", ("KC0507", "4 input nodes")), ("1,2,3,nan", ("KC0506", "voltage 3")), ("1,inf,3,4", ("KC0506", "voltage 1")),
    ("1,b,3,4", ("KC0503", "`b`")), ("1,2,3,4A", ("KC0503", "`4A`")), ("", ("KC0503", "no numbers")),
    ("none.npy", ("KC0501", "none.npy")), ("none.csv", ("KC0501", "none.csv")), ("net.txt", ("KC0503", "`net.txt`")),
    ("nan.npy", ("KC0506", "nan")), ("object.npy", ("KC0501", "object.npy")), ("text.npy", ("KC0501", "text.npy")),
    ("head.csv", ("KC0503", "`time`"))])
def test_input_that_does_not_fit(kcompile_run: Run, given: str, parts: tuple[str, ...]) -> None:
    np.save("nan.npy", np.array([1, 2, np.nan, 4]))
    np.save("object.npy", np.array([{}, 1, 2, 3], dtype=object), allow_pickle=True)
    Path("text.npy").write_text("1,2,3,4")
    Path("head.csv").write_text("time,x\n0,1\n")
    refused(kcompile_run("simulate", "net.kc", "--input", given, "--out", "a.csv"), 2, *parts)


@pytest.mark.parametrize(("given", "parts"), [
    ("R1.r", ("KC0503", "NAME=VALUE")), ("=3", ("KC0503", "NAME=VALUE")), ("R1.r=", ("KC0503", "NAME=VALUE")),
    ("R1.r=2V", ("KC0503", "is a resistance, `2V` is a voltage")), ("R1.r=2k", ("KC0503", "Ohm")),
    ("R1.r=-1", ("KC0505", "(0.0, inf)")), ("R1.R=1", ("KC0502", "did you mean `R1.r`?")),
    ("zzz=1", ("KC0502", "accepted: C1.c, R1.r")), ("R1.r=nan", ("KC05", "R1.r"))])
def test_settings_that_do_not_fit(kcompile_run: Run, given: str, parts: tuple[str, ...]) -> None:
    refused(kcompile_run("low_pass.kc", "--until", "1ns", "--set", given), 2, *parts)


def test_settings(kcompile_run: Run) -> None:
    assert kcompile_run("low_pass.kc", "--until", "1ns", "--set", "R1.r=2 kOhm", "--set", "C1.c=3e-12").code == 0
    assert "Rr1 vin vout 2000.0\n" in Path("LowPass.spice").read_text()
    assert "Cc1 vout 0 3e-12\n" in Path("LowPass.spice").read_text()
    assert kcompile_run("simulate", "net.kc", "--set", "n=1", "--set", "s=0.5", "--out", "a.csv").code == 0
    assert Path("a.csv").read_text().startswith('time,"x[0,0]","x[0,1]","x[0,2]",a[0],')
    done = kcompile_run("net.kc", "--set", "n=9")
    assert done.code in (1, 2)
    assert "n" in done.err and "[1" in done.err


def weights(**changes: np.ndarray | None) -> None:
    values = {"s": np.array([1.5]), "read.r.k": np.full(3, 0.25), **changes}
    safetensors.numpy.save_file({name: value for name, value in values.items() if value is not None}, "w.safetensors")


def test_weights(kcompile_run: Run) -> None:
    weights()
    assert kcompile_run("net.kc", "--weights", "w.safetensors").code == 0
    circuit = kc.compile("net.kc", weights="w.safetensors")
    assert circuit.parameters()["read.r.k"].tolist() == [0.25] * 3
    assert Path("Net.spice").read_text() == kc.lower(circuit)[0].text
    assert Path("Net.spice").read_text() != kc.lower("net.kc")[0].text


@pytest.mark.parametrize(("changes", "parts"), [
    ({"read.r.k": np.zeros(4)}, ("KC0504", "`read.r.k` has shape (3,)", "(4,)")),
    ({"read.r.K": np.zeros(3)}, ("KC0502", "`read.r.K`", "did you mean `read.r.k`?")),
    ({"read.r.k": np.array([0, np.nan, 0])}, ("KC0505", "`read.r.k`", "nan")),
    ({"s": np.array([2.5])}, ("KC0505", "`s`", "2.5")),
    ({"mix.w.k": np.zeros(3)}, ("KC0502", "`mix.w.k` is tied to `s`"))])
def test_weights_that_do_not_fit(kcompile_run: Run, changes: dict[str, np.ndarray], parts: tuple[str, ...]) -> None:
    weights(**changes)
    refused(kcompile_run("net.kc", "--weights", "w.safetensors"), 2, *parts)


def test_weights_that_are_none(kcompile_run: Run) -> None:
    refused(kcompile_run("net.kc", "--weights", "none.safetensors"), 2, "KC0501", "none.safetensors")
    refused(kcompile_run("net.kc", "--weights", "two.kc"), 2, "KC0501", "two.kc is not a safetensors file", "save_file")


def test_the_top(kcompile_run: Run) -> None:
    refused(kcompile_run("two.kc", "--until", "1ns"), 2, "KC0415", "--top: A, B")
    assert kcompile_run("two.kc", "--until", "1ns", "--top", "B").code == 0
    assert Path("B.spice").exists()
    assert not Path("A.spice").exists()
    refused(kcompile_run("two.kc", "--until", "1ns", "--top", "b"), 2, "KC0415", "`b`")
    assert kcompile_run("net.kc", "--top", "Net").code == 0
    assert kcompile_run("check", "two.kc").code == 0, "a library may have several tops"


def test_other_folders_of_use(kcompile_run: Run) -> None:
    Path("lib").mkdir()
    Path("lib/values.kc").write_text("const c0 = 2 pF;\n")
    Path("sub").mkdir()
    Path("sub/m.kc").write_text('use "values.kc";\n' + FILES["low_pass.kc"].replace("1 pF", "c0"))
    assert "KC0205" in kcompile_run("check", "sub/m.kc").out
    assert kcompile_run("check", "sub/m.kc", "--include", "lib").code == 0
    assert kcompile_run("sub/m.kc", "--include", "lib", "--until", "1ns").code == 0


# ---- check, explain, fmt, doctor, view --------------------------------------------------------------------------------


def test_check_text(kcompile_run: Run) -> None:
    assert kcompile_run("check", "low_pass.kc", "net.kc") == Done(0, "low_pass.kc: ok\nnet.kc: ok\n", "")
    done = kcompile_run("check", "net.kc", "wrong file.kc")
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("net.kc: ok\nerror[KC0201]: `Resistr` is not known here\n --> wrong file.kc:2:38\n")
    assert "did you mean `Resistor`?" in done.out
    done = kcompile_run("check", "none.kc", "wrong file.kc")
    assert done.code == 2
    assert "KC0501" in done.out and "KC0201" in done.out, "one file that is missing does not hide the others"


def test_check_json(kcompile_run: Run) -> None:
    assert json.loads(kcompile_run("check", "net.kc", "--format", "json").out) == {"diagnostics": []}
    done = kcompile_run("check", "wrong file.kc", "none.kc", "--format", "json")
    first, *_, last = json.loads(done.out)["diagnostics"]
    assert (done.code, last["code"], "file" in last) == (2, "KC0501", False)
    assert {**first, "message": "", "notes": []} == {
        "code": "KC0201", "severity": "error", "message": "", "file": "wrong file.kc", "line": 2, "column": 38, "end_line": 2,
        "end_column": 45, "label": "", "hint": "did you mean `Resistor`?", "notes": []}
    assert [d.code for d in kc.check("wrong file.kc")] == ["KC0201"]


def test_check_sarif(kcompile_run: Run) -> None:
    done = kcompile_run("check", "wrong file.kc", "none.kc", "--format", "sarif")
    log = json.loads(done.out)
    assert (done.code, log["version"]) == (2, "2.1.0")
    assert log["$schema"].endswith("/sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"], run["columnKind"]) == ("kcompile", kc.__version__, "unicodeCodePoints")
    assert {rule["id"] for rule in driver["rules"]} == {result["ruleId"] for result in run["results"]}
    for result in run["results"]:
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
    (place,) = run["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "wrong%20file.kc"
    assert place["physicalLocation"]["region"] == {"startLine": 2, "startColumn": 38, "endLine": 2, "endColumn": 45}
    assert json.loads(kcompile_run("check", "net.kc", "--format", "sarif").out)["runs"][0]["results"] == []


def test_check_against_a_process(kcompile_run: Run) -> None:
    assert kcompile_run("check", "low_pass.kc", "--pdk", "generic").code == 0
    Path("large.kc").write_text(FILES["low_pass.kc"].replace("1 pF", "5 kF"))
    assert kcompile_run("check", "large.kc").code == 0
    assert kcompile_run("check", "large.kc", "--pdk", "generic").code == 1
    done = kcompile_run("check", "low_pass.kc", "--pdk", "generc")
    assert done.code != 0
    assert "did you mean `generic`?" in done.out


def test_explain(kcompile_run: Run) -> None:
    done = kcompile_run("explain", "KC0301")
    assert (done.code, done.out) == (0, kcompile_run("explain", "301").out)
    assert done.out.startswith("# KC0301: ") and "Wrong:" in done.out and "Right:" in done.out
    refused(kcompile_run("explain", "KC0300"), 2, "KC0509", "did you mean")
    refused(kcompile_run("explain", "../x"), 2, "KC0509", "codes look like KC0301")


def test_fmt(kcompile_run: Run) -> None:
    text = "circuit  T{ node a ; // kept\n}\n"
    Path("t.kc").write_text(text)
    assert kcompile_run("fmt", "--check", "t.kc") == Done(1, "t.kc: would change\n", "")
    assert Path("t.kc").read_text() == text
    assert kcompile_run("fmt", "t.kc") == Done(0, "t.kc: formatted\n", "")
    assert Path("t.kc").read_text() != text and "// kept" in Path("t.kc").read_text()
    assert kcompile_run("fmt", "--check", "t.kc") == Done(0, "", "")
    Path("t.kc").write_text("circuit {")
    done = kcompile_run("fmt", "t.kc")
    assert done.code == 1 and "KC0102" in done.err
    assert Path("t.kc").read_text() == "circuit {", "a file with mistakes is left alone"


def test_doctor(kcompile_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.perf_counter()
    done = kcompile_run("doctor")
    assert time.perf_counter() - started < 3
    assert done.code == 0
    for word in ("kcompile", "ngspice", "numpy", "matplotlib", "PySpice"):
        assert word in done.out
    monkeypatch.setenv("KCOMPILE_NGSPICE", "no-such-program")
    assert re.search(r"ngspice +no +Debian 12: .*backports", kcompile_run("doctor").out)
    monkeypatch.setenv("KCOMPILE_OPENVAF", "/nowhere/openvaf-r")
    monkeypatch.setenv("KCOMPILE_VACASK", "/nowhere/vacask")
    told = kcompile_run("doctor").out
    for name in ("openvaf-r", "VACASK"):
        assert re.search(rf"{name} +no +pip install 'kcompile\[verilog\]'", told)


def test_view(kcompile_run: Run) -> None:
    assert kcompile_run("view", "low_pass.kc", "--until", "50ns") == Done(0, "", "LowPass.svg\n")
    text = Path("LowPass.svg").read_text("utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert all(word in text for word in ("vin", "vout", "R1", "C1", "time [ns]"))
    assert kcompile_run("view", "net.kc", "--set", "n=8", "--out", "big.svg").code == 0
    ElementTree.parse("big.svg")
    refused(kcompile_run("view", "net.kc", "--out", "big.png"), 2, "KC0509", ".svg")
    refused(kcompile_run("view", "low_pass.kc"), 2, "KC0508")


# ---- verify -----------------------------------------------------------------------------------------------------------


@needs_ngspice
def test_verify(kcompile_run: Run) -> None:
    done = kcompile_run("verify", "net.kc", "--input", "1,2,3,4", "--tolerance", "1e-3")
    assert (done.code, done.err) == (0, "")
    assert all(word in done.out for word in ("ngspice", "x[1,2]", "cell[2].y", "L1.i", "worst", "passed: "))
    done = kcompile_run("verify", "net.kc", "--input", "1,2,3,4", "--tolerance", "1e-3", "--format", "json")
    made = json.loads(done.out)
    assert (done.code, made["passed"], made["tolerance"], made["circuit"]) == (0, True, 1e-3, "Net")
    assert len(made["runs"]) >= 2
    assert made["runs"][1]["max_step"] < made["runs"][0]["max_step"]
    waves = kc.simulate(kc.compile("net.kc", inputs=[1, 2, 3, 4]), points=2)
    assert list(made["errors"]) == list(waves.names)
    assert max(errors[-1] for errors in made["errors"].values()) == made["runs"][-1]["worst"] <= 1e-3


@needs_ngspice
def test_a_verification_that_fails_has_exit_code_1(kcompile_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from kcompile.verify import compare

    # A netlist that is not the circuit: the native side gets another input.
    native = compare.simulate
    monkeypatch.setattr(compare, "simulate", lambda circuit, **named: native(circuit.with_initial([1, 2, 3, 5]), **named))
    done = kcompile_run("verify", "net.kc", "--input", "1,2,3,4", "--tolerance", "1e-3")
    assert done.code == 1
    assert "FAILED: " in done.out
    done = kcompile_run("net.kc", "--input", "1,2,3,4", "--tolerance", "1e-3", "--check", "-o", "out")
    assert done.code == 1
    assert json.loads(Path("out/Net.manifest.json").read_text())["options"]["verified"]["passed"] is False


@needs_ngspice
def test_compile_with_check(kcompile_run: Run) -> None:
    done = kcompile_run("low_pass.kc", "--until", "50ns", "-o", "out", "--check")
    assert done.code == 0
    assert len(os.listdir("out")) == 4
    assert "passed: " in done.out
    assert json.loads(Path("out/LowPass.manifest.json").read_text())["options"]["verified"]["passed"] is True


def test_what_verify_refuses(kcompile_run: Run) -> None:
    refused(kcompile_run("verify", "net.kc", "--against", "xyce"), 2, "KC0509", "ngspice, osdi, pyspice, vacask")
    refused(kcompile_run("verify", "net.kc", "--against", "ngspice,ngspice"), 2, "KC0509", "twice")
    for tolerance in ("0", "-1", "nan", "x"):
        refused(kcompile_run("verify", "net.kc", "--tolerance", tolerance), 2, "tolerance")
    refused(kcompile_run("verify", "net.kc", "--format", "sarif"), 2, "--format")


# ---- exit codes -------------------------------------------------------------------------------------------------------


def test_help_and_version(kcompile_run: Run) -> None:
    done = kcompile_run("--help")
    assert done.code == 0
    assert all(word in done.out for word in ("check", "compile", "doctor", "explain", "fmt", "simulate", "verify", "view"))
    assert kcompile_run("--version").out == f"kcompile, version {kc.__version__}\n"
    for verb in ("check", "compile", "simulate", "verify", "view", "fmt", "explain", "doctor"):
        assert kcompile_run(verb, "--help").code == 0


def test_usage_errors(kcompile_run: Run) -> None:
    assert kcompile_run().code == 2
    refused(kcompile_run("none.kc"), 2, "KC0501", "No such file")
    refused(kcompile_run("low_pas.kc"), 2, "did you mean `low_pass.kc`?")
    refused(kcompile_run("simulat", "low_pass.kc"), 2, "did you mean `simulate`?")
    refused(kcompile_run("low_pass.kc", "--unti", "1ns"), 2, "--until")
    refused(kcompile_run("low_pass.kc", "net.kc"), 2, "net.kc")
    refused(kcompile_run("net.kc", "--target", "spise"), 2, "KC0509", "did you mean `spice`?")
    refused(kcompile_run("net.kc", "-o", "two.kc"), 2, "KC0513", "is a file")
    refused(kcompile_run("."), 2, "KC0501", "Is a directory")


def test_mistakes_in_a_program_have_exit_code_1(kcompile_run: Run) -> None:
    refused(kcompile_run("wrong file.kc", "--until", "1ns"), 1, "KC0201")
    refused(kcompile_run("simulate", "wrong file.kc", "--until", "1ns", "--out", "a.csv"), 1, "KC0201")
    with pytest.raises(kc.CompileError):
        kc.compile("wrong file.kc")


def test_a_missing_simulator_has_exit_code_3(kcompile_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KCOMPILE_NGSPICE", "no-such-program")
    refused(kcompile_run("verify", "net.kc"), 3, "KC0701", "no-such-program", "apt-get install")
    refused(kcompile_run("net.kc", "--check", "-o", "out"), 3, "KC0701", "apt-get install")
    assert not Path("out").exists()
    with pytest.raises(kc.ToolMissing):
        kc.verify("net.kc")


def test_a_missing_extra_is_named(kcompile_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "PySpice", None)
    refused(kcompile_run("view", "net.kc"), 3, "KC0711", "pip install 'kcompile[plot]'")
    refused(kcompile_run("simulate", "net.kc", "--out", "a.svg"), 3, "KC0711", "pip install 'kcompile[plot]'")
    assert kcompile_run("simulate", "net.kc", "--out", "a.csv").code == 0, "CSV needs no extra"


def test_a_simulator_that_fails_has_exit_code_4(kcompile_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\nkill -SEGV $$\n")
    program.chmod(0o755)
    monkeypatch.setenv("KCOMPILE_NGSPICE", str(program))
    refused(kcompile_run("verify", "net.kc"), 4, "KC07")
    with pytest.raises(kc.SimulatorFailed):
        kc.verify("net.kc")


def test_a_defect_has_exit_code_70_and_a_reproducer(kcompile_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(kc, "simulate", fail)
    done = kcompile_run("simulate", "net.kc", "--out", "a.csv")
    refused(done, 70, "KC0999", "ZeroDivisionError", "defect of kcompile")
    report = Path(done.err.split()[-1]).read_text("utf-8")
    assert "command: kcompile simulate net.kc --out a.csv" in report
    assert "Traceback" in report and "inside" in report and FILES["net.kc"] in report


def test_an_interruption_has_exit_code_130(kcompile_run: Run, tmp_path: Path) -> None:
    pulses = "rise = 1 ns, width = 1 ns, fall = 1 ns, period = 4 ns"
    Path("slow.kc").write_text(FILES["low_pass.kc"].replace("rise = 1 ns", pulses))
    code = "from kcompile.cli import main; print('ready', flush=True); main()"
    process = subprocess.Popen([sys.executable, "-c", code, "simulate", "slow.kc", "--until", "1ms", "--out", "a.csv"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert not Path("a.csv").exists()


def test_a_reader_that_leaves_is_no_error(kcompile_run: Run) -> None:
    process = subprocess.Popen([sys.executable, "-m", "kcompile", "net.kc", "--target", "ir", "--set", "n=8"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=20)
