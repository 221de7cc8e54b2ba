"""Small programs with the netlist, test bench and map that they become, in both dialects.

KCOMPILE_GOLDEN=write rewrites the expected files; read the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.verify.deck import audit, deck_of

FOLDER = Path(__file__).parent.parent / "golden" / "spice"
CASES = sorted(path.stem for path in FOLDER.glob("*.kc"))
UNTIL = {"slices": None, "ties": 2.0, "rails": 1e-5, "rc": 1e-6, "laws": 2e-9}
"""Seconds by case; 50 ns for the others."""


def lowered(case: str, dialect: str) -> dict[str, str]:
    source = kc.Source(f"{case}.kc", (FOLDER / f"{case}.kc").read_text(encoding="utf-8"))
    artifacts = kc.lower(source, dialect=dialect, until=UNTIL.get(case, 50e-9))
    return {artifact.name: artifact.text for artifact in artifacts}


@pytest.mark.parametrize("dialect", ["ngspice", "xyce"])
@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, dialect: str) -> None:
    found = lowered(case, dialect)
    folder = FOLDER / dialect
    for name, text in found.items():
        path = folder / name
        if os.environ.get("KCOMPILE_GOLDEN") == "write":
            folder.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{path} differs; make golden rewrites it"


def test_no_expected_text_is_left_over() -> None:
    for dialect in ("ngspice", "xyce"):
        expected = {name for case in CASES for name in lowered(case, dialect)}
        assert {path.name for path in (FOLDER / dialect).iterdir()} == expected


@pytest.mark.parametrize("case", CASES)
def test_the_map_is_the_same_in_every_dialect(case: str) -> None:
    maps = [{name: text for name, text in lowered(case, dialect).items() if name.endswith(".json")}
            for dialect in ("ngspice", "xyce")]
    assert maps[0] == maps[1]


@pytest.mark.parametrize("case", CASES)
def test_goldens_pass_the_audit_and_the_simulator_agrees(case: str) -> None:
    """The numeric oracle beside the text."""
    source = kc.Source(f"{case}.kc", (FOLDER / f"{case}.kc").read_text(encoding="utf-8"))
    circuit = kc.compile(source)
    audit(deck_of(circuit.name, kc.lower(circuit, until=1e-9)))
    report = kc.verify(circuit, until=UNTIL.get(case, 50e-9), tolerance=1e-4)
    assert report.passed, report.attempts[-1].worst
