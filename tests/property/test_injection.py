"""Hostile texts in every place where a text can be said: no output and no simulator ever carries one out (S2).

A payload is refused with a diagnostic, or it is read as what it is not dangerous as; a deck that comes of it passes the audit
and holds none of it, and no canary is ever made.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import kcompile as kc
from kcompile.files import manifest
from kcompile.imports.netlist import import_netlist
from kcompile.inputs import read_settings, read_weights
from kcompile.ir.circuit import Phase
from kcompile.lower.base import BenchOptions
from kcompile.verify.compare import Simulator
from kcompile.verify.deck import audit, deck_of
from kcompile.verify.run_ngspice import run_ngspice

CANARY = "canary_of_kcompile"

COMMANDS = [f"shell touch {CANARY}", f".control\nshell touch {CANARY}\n.endc", f"`touch {CANARY}`", f"$(touch {CANARY})",
            f"; touch {CANARY} #", f"| touch {CANARY}", f"__import__('os').system('touch {CANARY}')", f"{{{{ {CANARY} }}}}",
            f"{{% include '{CANARY}' %}}", f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}{CANARY}", f".include {CANARY}",
            f"../../{CANARY}", f"/tmp/{CANARY}", f"%s%n{CANARY}", f"<script>{CANARY}</script>", f"\x1b]0;{CANARY}\x07",
            f"{CANARY}\u202e", f"{CANARY}\x00", f"exec('{CANARY}')", f"lambda: {CANARY}", f"!touch {CANARY}",
            f"write {CANARY}", f'"; }}\n.control\nshell touch {CANARY}\n.endc\n//', f"x' onload='{CANARY}",
            f"!!python/object {CANARY}"]
LEADS = ["{}", "\n{}\n", "\r\n{}\r\n", "*\n{}\n+", "x\n{}", "x\r{}", "x\u2028{}", "x\x85{}", "x\x0b{}", "* {}", "+ {}", "x ; {}"]
PAYLOADS = [lead.format(command) if "{}" in lead and "{" not in command else lead.replace("{}", command)
            for command in COMMANDS for lead in LEADS]

BASE = """use std.passive: Resistor, Capacitor;
const unit = 1 pF;
device Leak(p) { param g: conductance = 1 mS; state s: real = 0; ddt(s) = 0 Hz; I(p) <+ g * V(p); }
circuit Part(a) { node m; Capacitor(m, gnd); Resistor R(a, m); }
circuit Top(vin) {
    param n: integer = 2;
    node x[2];
    drive vin = dc(1 V);
    Capacitor(k, gnd) { c = unit } for k in x;
    Resistor R1(vin, x[0]) { r = 1 kOhm };
    Leak(x[1]);
    Part p(x[0]);
    phase mix for 1 ns { Resistor Rm(x[0], x[1]); }
    input x;
    output x;
}
"""

SMALL = """device R(p, n) { param r: resistance = 1 Ohm; I(p, n) <+ V(p, n) / r + ddt(1 F * V(p, n)); }
circuit Top { param n: integer = 1; node x; R R1(x, gnd); phase mix for 1 s { } }
"""

SOURCES = {
    "name of a node": ("x[2]", "{}[2]"),
    "name of a device": ("device Leak", "device {}"),
    "name of a terminal": ("Leak(p)", "Leak({})"),
    "name of a parameter": ("param g", "param {}"),
    "name of a state": ("state s", "state {}"),
    "name of a circuit": ("circuit Top", "circuit {}"),
    "name of a label": ("Resistor R1", "Resistor {}"),
    "name of a phase": ("phase mix", "phase {}"),
    "name of a constant": ("const unit", "const {}"),
    "name of a port": ("Top(vin)", "Top({})"),
    "a unit": ("1 kOhm", "1 {}"),
    "a number": ("1 kOhm", "{}"),
    "a dimension": ("integer", "{}"),
    "a comment": ("const unit", "// {}\nconst unit"),
    "a use": ("const unit", 'use "{}";\nconst unit'),
    "a used name": ("Resistor, Capacitor;", "Resistor, Capacitor, {};"),
    "a module": ("use std.passive", "use std.{}"),
    "a process": ("    input x;", "    pdk {};\n    input x;"),
    "a waveform": ("dc(1 V)", "{}(1 V)"),
    "a function": ("g * V(p)", "g * {}(V(p))"),
    "end of the file": ("output x;\n}\n", "output x;\n}}\n{}"),
}


def source_texts(k: int) -> Iterator[str]:
    """Programs with payload k in every fourth place; every place meets a quarter of the payloads."""
    payload = PAYLOADS[k]
    for old, new in list(SOURCES.values())[k % 4 :: 4]:
        assert old in BASE
        yield BASE.replace(old, new.replace("{}", payload).replace("}}", "}"), 1)


NETLISTS = {"spice": ("ngspice", "xyce"), "veriloga": ("ngspice", "vacask", "spectre")}
LOADS = re.compile(r"\n\.control\npre_osdi \w+\.osdi\n\.endc\n")
FIXED = re.compile(r'`include "disciplines\.vams"|\(\* type="instance" \*\)|(?:ahdl_include|include|load) "\w+\.\w+"|icmode="uic"'
                   r'|type="\w+"|"[a-z0-9_:]+", [-0-9]|save v\(\'[a-z0-9_:]+\'\)|!=|!\(|\|\|')
"""What netlists of modules hold in quotes, whatever the program says."""


def lowered(circuit: kc.Circuit) -> dict[str, str]:
    files: dict[str, str] = {}
    for target, dialects in NETLISTS.items():
        for dialect in dialects:
            artifacts = kc.lower(circuit, target, dialect=dialect)
            if dialect in ("ngspice", "vacask"):
                audit(deck_of(circuit.name, artifacts))
            files |= {f"{target}/{dialect}/{artifact.name}": artifact.text for artifact in artifacts}
    for target in ("ir", "json", "python", "dot", "svg"):
        files |= {artifact.name: artifact.text for artifact in kc.lower(circuit, target)}
    return files


def assert_harmless(circuit: kc.Circuit) -> None:
    for name, text in lowered(circuit).items():
        if name.endswith(".json"):
            json.loads(text)
        elif name.endswith(".py"):
            assert_plain_python(text)
        elif name.endswith(".svg"):
            assert_plain_svg(text)
        elif name.endswith(".dot"):
            assert_plain_dot(text)
        elif name.endswith((".spice", ".cir", ".va", ".sim", ".scs")):
            assert text.isascii()
            assert all(character.isprintable() for line in text.split("\n") for character in line)
            text = FIXED.sub("", LOADS.sub("", text))
            # A name may be any word, `shell` too, but not the first of a card, where it would be a command.
            assert not re.search(r"(?im)^\s*(\.control|\.include (?!\w+\.spice$)|shell|write|exec|touch|embed|postprocess)"
                                 r"|[!`$|\\\"']", text), text
            assert f" {CANARY}" not in text.replace("* ", "")


def assert_plain_python(text: str) -> None:
    """Only calls of numpy, of functions of the file itself, and of a few of Python's own."""
    tree = ast.parse(text)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    known = own | {"range", "zip", "len", "sum", "list", "min", "next", "enumerate", "float", "int", "print", "solve_ivp"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id in known, node.func.id
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert {a.name for a in node.names} <= {"sys", "numpy", "solve_ivp"}
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")


def assert_plain_svg(text: str) -> None:
    """Shapes and texts, nothing that runs or loads."""
    root = ElementTree.fromstring(text)
    assert {element.tag.split("}")[1] for element in root.iter()} <= {
        "svg", "title", "defs", "marker", "path", "rect", "text", "g", "line"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]


def assert_plain_dot(text: str) -> None:
    """Every quote is closed on its line, and the only escape is that of a line end."""
    for line in text.split("\n"):
        assert line.isprintable()
        assert line.count('"') % 2 == 0
        assert "\\" not in line.replace("\\n", "")
        assert not re.search(r"(?i)\b(url|href|image|shapefile)\b *=", line)


def refused_or_harmless(make: Callable[[], kc.Circuit]) -> bool:
    """Whether it was refused; a refusal is a diagnostic whose text is one printable line."""
    try:
        circuit = make()
    except kc.KcompileError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.code.startswith("KC")
            assert diagnostic.message.isprintable(), repr(diagnostic.message)
            assert all(note.isprintable() for note in diagnostic.notes)
        return True
    assert_harmless(circuit)
    return False


@pytest.fixture(autouse=True)
def no_canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.rglob(CANARY))


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 300
    assert len(SOURCES) > 20


@pytest.mark.parametrize("share", range(6))
def test_slots_of_the_language(share: int) -> None:
    refused = total = 0
    for k in range(share, len(PAYLOADS), 6):
        for text in source_texts(k):
            total += 1
            refused += refused_or_harmless(lambda text=text: kc.compile(kc.Source("model.kc", text)))
    assert refused > 0.9 * total


def circuit() -> kc.Circuit:
    return kc.compile(kc.Source("model.kc", BASE))


def test_names_of_files() -> None:
    for payload in PAYLOADS:
        refused_or_harmless(lambda payload=payload: kc.compile(kc.Source(payload, SMALL)))
        assert refused_or_harmless(lambda payload=payload: kc.compile(payload.replace("/tmp", "/nowhere")))
        assert refused_or_harmless(lambda payload=payload: kc.compile(kc.Source("m.kc", SMALL), weights=payload))


def test_names_and_values_of_settings() -> None:
    for k, payload in enumerate(PAYLOADS):
        text = (payload, f"{payload}=1", f"n={payload}", f"R1.r={payload}", f"R1.{payload}=1 Ohm")[k % 5]
        refused_or_harmless(lambda text=text: kc.compile(kc.Source("m.kc", SMALL), settings=read_settings([text])))
        for name, value in ((payload, 1.0), ("R1.r", payload)):
            settings = {name: value}
            assert refused_or_harmless(lambda s=settings: kc.compile(kc.Source("m.kc", SMALL), settings=s))
        assert refused_or_harmless(lambda payload=payload: kc.compile(kc.Source("m.kc", BASE), top=payload))


def test_names_in_files_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    model = circuit()
    for payload in PAYLOADS:
        entry = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}
        head = json.dumps({payload: entry, "__metadata__": {"x": payload}}).encode()
        path.write_bytes(struct.pack("<Q", len(head)) + head + np.float64(1.0).tobytes())
        assert refused_or_harmless(lambda: model.with_params(read_weights(path)))
        assert refused_or_harmless(lambda payload=payload: model.with_params({payload: np.ones(1)}))


def test_slots_of_the_api() -> None:
    model = circuit()
    for payload in PAYLOADS:
        for call in (lambda p: kc.lower(model, p), lambda p: kc.lower(model, "spice", dialect=p),
                     lambda p: kc.verify(model, against=p)):
            with pytest.raises(kc.KcompileError) as caught:
                call(payload)
            assert caught.value.diagnostics[0].message.isprintable()


def test_words_of_the_canonical_text() -> None:
    [canonical] = kc.lower(circuit(), "ir")
    lines = canonical.text.split("\n")
    heads = sorted({line.split(" ")[0] for line in lines if line[:1].isalpha()})
    assert {"circuit", "device", "nodes", "phase"} <= set(heads)
    for k, payload in enumerate(PAYLOADS):
        for head in heads[k % 2 :: 2]:
            at = next(i for i, line in enumerate(lines) if line.split(" ")[0] == head)
            words = lines[at].split(" ")
            for place in range(1, min(len(words), 3)):
                changed = [*lines[:at], " ".join([*words[:place], payload, *words[place + 1 :]]), *lines[at + 1 :]]
                refused_or_harmless(lambda changed=changed: kc.compile(kc.Source("m.kcir", "\n".join(changed))))


NETLIST = """title
.param rr=1k
.include part.inc
.subckt cell a b params: c=1p
C1 b 0 {c}
B1 a b i=1m*tanh(v(a,b)/0.5)
.ends cell
V1 in 0 PULSE(0 1 0 1n 1n)
R1 in out {rr}
Xone out next cell c=2p
C2 out 0 1p
* remark
.ic v(out)=0.1
.options reltol=1e-3
.tran 1n 5n uic
.end
"""
NETLIST_SLOTS = ("title", "rr=1k", "{rr}", "part.inc", "cell a b params: c=1p", "{c}", "v(a,b)/0.5", "PULSE(0 1 0 1n 1n)",
                 "R1 in", "out next cell", "c=2p", "1p\n*", "* remark", "v(out)=0.1", "reltol=1e-3", "1n 5n", ".end\n",
                 "i=1m*tanh", "in 0 PULSE")


@pytest.mark.parametrize("share", range(4))
def test_slots_of_netlists(share: int, tmp_path: Path) -> None:
    """A payload in a netlist is refused at its place, or the program it becomes is harmless."""
    (tmp_path / "part.inc").write_text("* part\n")
    path = tmp_path / "model.cir"

    def imported() -> kc.Circuit:
        text = import_netlist(path).text
        assert all(character.isprintable() for line in text.split("\n") for character in line)
        return kc.compile(kc.Source("model.kc", text)).with_initial([])

    refused = total = 0
    for k in range(share, len(PAYLOADS), 4):
        for slot in NETLIST_SLOTS[k % 6 :: 6]:
            assert slot in NETLIST
            path.write_text(NETLIST.replace(slot, PAYLOADS[k] if k % 2 else f"{slot}{PAYLOADS[k]}", 1), encoding="utf-8")
            total += 1
            refused += refused_or_harmless(lambda: with_phase(imported()))
    assert refused > 0.5 * total


def with_phase(model: kc.Circuit) -> kc.Circuit:
    """The circuit with an end, so that every target takes it."""
    return dataclasses.replace(model, phases=(Phase("run", 1e-9),))


def test_manifests_are_json_that_says_what_was_said() -> None:
    for payload in PAYLOADS:
        text = manifest("0", ["kcompile", payload], {payload: BASE}, {"set": [payload]}, {payload: "x"})
        assert json.loads(text)["command"][1] == payload
        assert all(character.isprintable() for line in text.split("\n") for character in line)


@pytest.mark.parametrize("k", range(0, len(PAYLOADS), 25))
def test_what_comes_through_is_run(k: int) -> None:
    """The simulator itself, for the slots that take any text: comments and names of files."""
    payload = PAYLOADS[k]
    text = BASE.replace("const unit", "// " + payload.replace("\n", " ").replace("\r", " ") + "\nconst unit", 1)
    try:
        model = kc.compile(kc.Source(payload, text))
    except kc.KcompileError:
        return
    files = {artifact.name: artifact.text for artifact in kc.lower(model)}
    run = run_ngspice(deck_of(model.name, kc.lower(model)), expected=["v(vin)"], until=1e-9)
    assert run.raw.time[-1] == pytest.approx(1e-9)
    assert CANARY not in files[f"{model.name}.spice"] + files[f"{model.name}_tb.cir"]


@pytest.mark.parametrize("k", range(0, len(PAYLOADS), 75))
def test_what_comes_through_is_run_with_modules(k: int, osdi: Simulator, vacask: Simulator) -> None:
    payload = PAYLOADS[k]
    try:
        model = kc.compile(kc.Source(payload, BASE.replace("const unit", "// " + payload.replace("\n", " ") + "\nconst unit", 1)))
    except kc.KcompileError:
        return
    for simulator in (osdi, vacask):
        netlist = simulator.lower(model, BenchOptions())
        run = simulator(deck_of(model.name, netlist.artifacts), netlist, 1e-9)
        assert run.raw.time[-1] == pytest.approx(1e-9)
        assert CANARY not in "".join(artifact.text for artifact in netlist.artifacts if not artifact.name.endswith(".json"))
