"""The netlists on the pages of the diagnostics say what the pages say of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.imports.netlist import import_netlist
from kcompile.imports.spice_function import IN_LAW, SAME
from kcompile.imports.spice_netlist import LEFT_OUT
from kcompile.resources import errors_folder

PAGES = sorted(errors_folder().glob("KC053*.md"))
AROUND = "title\n{}\nVin in 0 1\nRin in out 1meg\nCload out 0 1p\n.end\n"
"""What makes a netlist of the cards of a page: `in` is driven, `out` has a capacitor."""


def codes(folder: Path, cards: str) -> set[str]:
    (folder / "model.cir").write_text(AROUND.format(cards))
    try:
        found = import_netlist(folder / "model.cir")
    except kc.CompileError as error:
        return {diagnostic.code for diagnostic in error.diagnostics}
    return {diagnostic.code for diagnostic in kc.check(kc.Source("model.kc", found.text))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path) -> None:
    wrong, right = re.findall(r"^```spice\n(.*?)\n```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert codes(tmp_path, wrong) == {page.stem}
    assert codes(tmp_path, right) == set()


def test_the_example_of_the_manual(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "netlists.md").read_text("utf-8")
    [netlist] = re.findall(r"^```spice\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    [program] = re.findall(r"^```kc\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "oscillator.cir").write_text(netlist)
    assert import_netlist(tmp_path / "oscillator.cir").text == program


def test_the_functions_of_the_manual() -> None:
    page = (Path(__file__).parents[2] / "docs" / "netlists.md").read_text("utf-8")
    paragraph = page[page.index("Functions: ") : page.index("; operators")]
    assert set(re.findall(r"`(\w+)`", paragraph)) == {*SAME, *IN_LAW}
    cards = page[page.index("| `.options`") : page.index("Everything else is refused")].split("|")[1]
    assert set(re.findall(r"`\.(\w+)`", cards)) | {"option", "measure"} == set(LEFT_OUT)
