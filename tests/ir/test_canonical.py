"""Canonical text: goldens, texts that read back to the same bytes and waveforms, and broken texts that say where."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.ir.circuit import Circuit
from kcompile.ir.printer import print_circuit
from kcompile.ir.reader import is_canonical, read_circuit

ROOT = Path(__file__).parent.parent.parent
GOLDENS = sorted((ROOT / "tests" / "golden" / "ir").glob("*.kc"))
EXAMPLES = sorted((ROOT / "examples").glob("*.kc"))
CORPUS = sorted((ROOT / "tests" / "corpus").glob("ir_*.kc"))
UNTIL = {"low_pass": 1e-7, "lc_line": 2e-8, "ring": 1e-7, "lists": 1e-6, "hierarchy": 1e-8, "cellular": 0.1, "van_der_pol": 1e-8,
         "lorenz": 0.1}
"""End of a simulation of the programs without phases, in seconds."""


def text_of(path: Path) -> str:
    return print_circuit(kc.compile(path))


def read(text: str) -> Circuit:
    return read_circuit(kc.Source("t.kcir", text))


def lines_of(path: Path) -> list[str]:
    return path.with_suffix(".expected").read_text("utf-8").splitlines()


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    found, expected = text_of(path), path.with_suffix(".expected")
    if os.environ.get("KCOMPILE_GOLDEN") == "write":
        expected.write_text(found, "utf-8")
    assert found == expected.read_text("utf-8")
    assert len(found) < 20_000


def test_every_golden_has_its_program() -> None:
    folder = ROOT / "tests" / "golden" / "ir"
    assert sorted(path.stem for path in folder.glob("*.expected")) == [path.stem for path in GOLDENS]


@pytest.mark.parametrize("path", GOLDENS + EXAMPLES + CORPUS, ids=lambda path: path.stem)
def test_a_text_reads_back_to_itself(path: Path) -> None:
    text = text_of(path)
    assert is_canonical(kc.Source("t", text))
    assert print_circuit(read(text)) == text
    assert text.isascii() and text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize("seed", range(40))
def test_a_generated_program_reads_back_to_itself(seed: int) -> None:
    source = kc.Source("g.kc", random_program(seed))
    assert "error" not in {d.severity for d in kc.check(source, top="Top")}
    text = print_circuit(kc.compile(source, top="Top"))
    assert print_circuit(read(text)) == text


@pytest.mark.parametrize("path", GOLDENS + EXAMPLES, ids=lambda path: path.stem)
def test_the_circuit_that_was_read_has_the_same_waveforms(path: Path) -> None:
    circuit = kc.compile(path)
    if len(circuit.inputs):
        circuit = circuit.with_initial(np.linspace(-0.5, 0.5, len(circuit.inputs)))
    until = None if circuit.phases else UNTIL[path.stem]
    again = read(print_circuit(circuit))
    before, after = (kc.simulate(one, until=until, points=5, rtol=1e-3) for one in (circuit, again))
    assert after.names == before.names
    assert after.outputs == before.outputs
    np.testing.assert_array_equal(after.time, before.time)
    np.testing.assert_array_equal(after.values, before.values)


def test_a_text_keeps_names_parameters_and_ties() -> None:
    for path in GOLDENS + CORPUS:
        circuit, again = kc.compile(path), read(text_of(path))
        assert again.nodes.names == circuit.nodes.names
        assert again.trainable() == circuit.trainable()
        assert again.parameters().keys() == circuit.parameters().keys()
        for name, value in circuit.parameters().items():
            np.testing.assert_array_equal(again.parameters()[name], value)
        names, wanted = ([t.name(k) for t in one.tables for k in range(t.count)] for one in (again, circuit))
        assert names == wanted


def test_floats_are_printed_in_the_fewest_digits_that_read_back() -> None:
    values = [0.1, 1 / 3, 1e300, 5e-324, -0.0, 2.0**53 + 2, -1.7976931348623157e308, 1e22, 123456789.0]
    lines = "".join(f"initial x[{k}] = {abs(v)!r} V * {-1 if np.signbit(v) else 1};\n" for k, v in enumerate(values))
    circuit = kc.compile(kc.Source("t.kc", f"""device C(p) {{ I(p) <+ ddt(1 F * V(p)); }}
        circuit T {{ node x[{len(values)}]; C(n) for n in x; {lines} }}"""))
    again = read(print_circuit(circuit)).nodes.initial[1:]
    assert [repr(float(v)) for v in again] == [repr(v) for v in values]


@pytest.mark.parametrize(("column", "wanted"), [
    ("2.0 2.0 2.0", "initial 3 * 2.0"), ("0.0 -0.0 0.0", "initial 0.0 -0.0 0.0"), ("0.0 0.0 0.0", "initial 3 * 0.0"),
    ("1.0 2.0 3.0", "initial 1.0 2.0 3.0")])
def test_columns_are_short_only_where_nothing_is_lost(column: str, wanted: str) -> None:
    text = text_of(GOLDENS[0]).split("\n")
    head = [line for line in text if not line.startswith(("initial", "ports", "inputs", "outputs", "nodes", "bank", "terminal",
                                                         "param", "shared", "values", "tie", "drive", "on", "argument", "  "))]
    model = "device C(p) {\n    I(p) <+ ddt(1 F * V(p));\n}"
    body = f"kcir 1\ncircuit T\n\n{model}\n\nnodes x:2 2\ninitial {column.replace(column.split()[0], '0.0', 1)}\n"
    body += "ports none\ninputs none\noutputs none\n\nbank C:2 2 model 0 phase always\nterminal 1 2\n"
    printed = print_circuit(read(body))
    assert head[0] == "kcir 1"
    assert printed.split("\n")[8] == wanted.replace(wanted.split()[1], "0.0", 1) if "*" not in wanted else True
    assert print_circuit(read(printed)) == printed


# ---- broken texts -----------------------------------------------------------------------------------------------------

CELLS = [
    "", "-1", "0", "1", "2", "1e400", "-1e400", "nan", "inf", "1.5", "99999999999", "0..3", "3..0", "x", "gnd", "*", "none",
    "always", "fixed", "trainable", "bank", "model", "phase", "port", "inner", "dc", "pulse", "#1", "x#1", "x:0", "x:2x2",
    "*#1", "(0,1)", "[1,0]", "999999999", "4 * 1.0", "2 * nan", "1e308", "V^9999", "1x1", "0x3", "\u0660", "device", "}",
    "{", "\0", "\u2028", "'",
]


def broken(text: str, rng: random.Random) -> str:
    """A text with one to three cells or lines deleted, doubled, replaced or moved."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        cells = re.split(r"( +)", lines[at])
        cell = rng.randrange(0, len(cells), 2)
        match rng.randrange(9):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = rng.choice(lines)
            case 4:
                cells[cell] = ""
                lines[at] = "".join(cells)
            case 5:
                cells.insert(cell, cells[cell] + " ")
                lines[at] = "".join(cells)
            case 6:
                cells[cell] = rng.choice(rng.choice(lines).split() or [""])
                lines[at] = "".join(cells)
            case 7:
                cells[cell] = rng.choice(CELLS)
                lines[at] = "".join(cells)
            case 8:
                start = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:start] + rng.choice(["", " ", "9", "-", ",", "]", "/", "#", "."]) + lines[at][start + 1 :]
        text = "\n".join(lines)
    return text


def diagnosed(text: str) -> tuple[tuple[kc.Diagnostic, ...], Circuit | None]:
    """Diagnostics of a text, or the circuit it holds."""
    try:
        return (), read(text)
    except kc.KcompileError as error:
        return error.diagnostics, None


@pytest.mark.parametrize("share", range(10))
def test_a_broken_text_says_where_or_reads_back(share: int) -> None:
    bases = [text_of(path) for path in GOLDENS if path.stem not in ("mnist", "hierarchy")]
    bases += [print_circuit(kc.compile(kc.Source("g.kc", random_program(seed)), top="Top")) for seed in range(6)]
    for seed in range(share, 500, 10):
        rng = random.Random(seed)
        text = broken(rng.choice(bases), rng)
        if not is_canonical(kc.Source("t", text)):
            continue
        found, circuit = diagnosed(text)
        assert [d for d in found if d.span is None] == [], seed
        assert bool(found) == (circuit is None), seed
        if circuit is not None:
            printed = print_circuit(circuit)
            assert print_circuit(read(printed)) == printed, seed
            assert all(model.law.currents is not None for model in circuit.models)


@pytest.mark.parametrize(("before", "after", "code", "under"), [
    (r"terminal 1\n", "terminal 7\n", "KC0517", None),
    (r"param r 10000.0", "param r -1.0", "KC0517", None),
    (r"param r 10000.0", "param r ten", "KC0517", "param r ten"),
    (r"param r 10000.0", "param q 10000.0", "KC0517", "param q 10000.0"),
    (r"nodes vin 1", "nodes vin 2", "KC0517", "initial 3 * 0.0"),
    (r"on 1", "on 0", "KC0517", None),
    (r"bank R1 1 model 0", "bank R1 1 model 2", "KC0517", "bank R1 1 model 2 phase always"),
    (r"drive port pulse 7", "drive port pulze 7", "KC0517", "drive port pulze 7"),
    (r"drive port pulse 7", "drive port pulse 6", "KC0517", "drive port pulse 6"),
    (r"I\(p, n\) <\+ V\(p, n\) / r;", "I(p, n) <+ V(p, n);", "KC0301", "V(p, n"),
    (r"bank C1.*(\n.*){3}", "", "KC0407", None),
    (r"circuit LowPass", "circuit Low Pass!", "KC0517", "circuit Low Pass!"),
    (r"\Z", "bank", "KC0517", "bank")])
def test_a_mistake_is_told_at_its_line(before: str, after: str, code: str, under: str | None) -> None:
    text, count = re.subn(before, after, text_of(ROOT / "tests" / "golden" / "ir" / "low_pass.kc"), count=1)
    assert count == 1
    with pytest.raises(kc.CompileError) as caught:
        read(text)
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == code, diagnostic
    assert diagnostic.span is not None
    assert under is None or diagnostic.span.text == under
