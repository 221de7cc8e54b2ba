"""Small programs with the modules, netlists, test benches and maps that they become, in every dialect of `veriloga`.

KCOMPILE_GOLDEN=write rewrites the expected files; read the difference before committing it. Those of Spectre are text only:
no Spectre has run them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.lower.veriloga import LANGUAGES
from kcompile.verify.deck import audit, deck_of

FOLDER = Path(__file__).parent.parent / "golden" / "veriloga"
CASES = sorted(path.stem for path in FOLDER.glob("*.kc"))
UNTIL = {"laws": 20e-9, "slices": None, "waves": 50e-9}
INPUTS = {"slices": [0.4, -0.3]}


def circuit(case: str) -> kc.Circuit:
    source = kc.Source(f"{case}.kc", (FOLDER / f"{case}.kc").read_text(encoding="utf-8"))
    return kc.compile(source, inputs=INPUTS.get(case))


def lowered(case: str, dialect: str) -> dict[str, str]:
    artifacts = kc.lower(circuit(case), "veriloga", dialect=dialect, until=UNTIL[case])
    return {artifact.name: artifact.text for artifact in artifacts}


@pytest.mark.parametrize("dialect", LANGUAGES)
@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, dialect: str) -> None:
    found = lowered(case, dialect)
    for name, text in found.items():
        # Modules and map are the same in every dialect.
        path = FOLDER / ("" if name.endswith((".va", ".json")) else dialect) / name
        if os.environ.get("KCOMPILE_GOLDEN") == "write":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{path} differs; make golden rewrites it"


def test_no_expected_text_is_left_over() -> None:
    expected = {name for case in CASES for dialect in LANGUAGES for name in lowered(case, dialect)}
    found = {path.name for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".kc"}
    assert found == expected


@pytest.mark.parametrize("case", CASES)
def test_goldens_pass_the_audit(case: str) -> None:
    for dialect in ("ngspice", "vacask"):
        audit(deck_of(circuit(case).name, kc.lower(circuit(case), "veriloga", dialect=dialect, until=UNTIL[case])))
