"""The command line as others script against it: reports, checks, verification, exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from command_line import FILES, Done, Run, refused

import kcompile as kc
import kcompile.cli

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")

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
    refused(kcompile_run("verify", "net.kc", "--against", "xyce"), 2, "KC0509",
            "accepted: klayout, ngspice, osdi, pyspice, transistors, vacask")
    refused(kcompile_run("verify", "net.kc", "--against", "transistor"), 2, "KC0509", "did you mean `transistors`?")
    refused(kcompile_run("verify", "net.kc", "--against", "ngspice,klayout"), 2, "KC0509", "`klayout` is compared alone")
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
