"""ADMS, another reader of Verilog-A, finds in every module the ports, parameters and branches of its law."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import kcompile as kc
from tests.lower.test_operators import OPERATORS, A, B
from tests.lower.test_veriloga_golden import CASES, UNTIL, circuit
from tests.test_examples import RUNS, example

pytestmark = pytest.mark.skipif(shutil.which("admsXml") is None, reason="admsXml is not installed")
HEADERS = "/usr/include/adms"
SCRIPT = Path(__file__).with_name("structure.admst")


def understood(text: str, folder: Path) -> dict[str, list[list[str]]]:
    """Words of the lines that ADMS prints for each module; raises `CalledProcessError` when it refuses the text."""
    (folder / "laws.va").write_text(text, encoding="ascii")
    done = subprocess.run(["admsXml", "-I", HEADERS, "laws.va", "-e", str(SCRIPT)], cwd=folder, capture_output=True, text=True,
                          check=True)
    found: dict[str, list[list[str]]] = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if words[:1] == ["module"]:
            current = found[words[1]] = []
        elif words and words[0] in ("port", "parameter", "contribution"):
            current.append(words)
    return found


def check(model: kc.Circuit, until: float | None, folder: Path) -> None:
    artifacts = kc.lower(model, "veriloga", until=until or model.duration)
    found = understood(next(a.text for a in artifacts if a.name.endswith(".va")), folder)
    gated = {(id(t.model), t.phase is not None and len(model.phases) > 1) for t in model.tables}
    laws = {id(law): law for law in model.models}
    expected = Counter(
        (len(law.terminals) + is_gated + len(law.waveforms) + len(law.states), max(len(law.params) - len(law.waveforms), 1),
         len(law.law.currents) + len(law.law.capacitances) + 2 * len(law.states))
        for key, is_gated in gated for law in [laws[key]])
    assert Counter(tuple(sum(words[0] == kind for words in lines) for kind in ("port", "parameter", "contribution"))
                   for lines in found.values()) == expected
    for lines in found.values():
        ports = {words[1] for words in lines if words[0] == "port"} | {"GND"}
        assert all({*words[1:3], *(end for pair in words[3:] for end in pair.split(","))} <= ports
                   for words in lines if words[0] == "contribution")


@pytest.mark.parametrize("case", CASES)
def test_goldens(case: str, tmp_path: Path) -> None:
    check(circuit(case), UNTIL[case], tmp_path)


@pytest.mark.parametrize("name", RUNS)
def test_examples(name: str, tmp_path: Path) -> None:
    check(example(name), RUNS[name][0], tmp_path)


def test_every_operator(tmp_path: Path) -> None:
    laws = "".join(f"device Law{k}(a, b, out) {{ I(gnd, out) <+ 1 A * ({text}); }}\n" for k, (text, _) in
                   enumerate(OPERATORS.values()))
    uses = "".join(f"Law{k}(a, b, out);" for k in range(len(OPERATORS)))
    assert A in laws and B in laws
    check(kc.compile(kc.Source("operators.kc", f"""use std.passive: Capacitor;
        {laws} circuit Top {{ node a, b, out; Capacitor(n, gnd) for n in a + b + out; {uses} }}""")), 1.0, tmp_path)


@pytest.mark.parametrize(("old", "new"), [("V(p,n)/r", "V(p,n)/nowhere"), ("analog begin", "analog begn"),
                                          ("electrical p", "electric p")])
def test_a_wrong_module_is_refused(old: str, new: str, tmp_path: Path) -> None:
    text = kc.lower(circuit("waves"), "veriloga", until=1e-9)[0].text
    assert old in text
    with pytest.raises(subprocess.CalledProcessError):
        understood(text.replace(old, new), tmp_path)
