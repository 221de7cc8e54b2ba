"""The command line as others script against it: options, files, formats, exit codes; the functions do the same."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from command_line import FILES, Run, refused

import kcompile as kc
import kcompile.cli
from kcompile.files import sha256

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
    assert {name: made["options"][name] for name in ("include", "pdk", "corner", "temperature")} == {
        "include": [], "pdk": None, "corner": "tt", "temperature": 27.0}


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
    assert len(kcompile_run("passes").out.splitlines()) == 14
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
