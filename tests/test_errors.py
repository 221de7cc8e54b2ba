"""Every diagnostic code has a page that tells the truth and a case that provokes it, and its text is what it was.

`python tests/test_errors.py` writes the `.expected` files anew; read the difference before keeping it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
import tempfile
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import Diagnostic, render_text
from kcompile.resources import errors_folder

CASES = Path(__file__).parent / "errors"
PACKAGE = Path(kc.__file__).parent

CODES = sorted({code for path in PACKAGE.rglob("*.py") for code in re.findall(r"\bKC\d{4}\b", path.read_text("utf-8"))})
PAGES = {path.stem: path for path in sorted(errors_folder().glob("*.md"))}
PROGRAMS = sorted(CASES.glob("KC*.kc"))
SCRIPTS = sorted(CASES.glob("KC*.py"))


def checked(name: str, text: str) -> list[Diagnostic]:
    """What `kcompile check` reports on a text, read as a file of the current folder."""
    try:
        return list(kc.check(kc.Source(name, text)))
    except kc.KcompileError as error:
        return list(error.diagnostics)


def shown(path: Path) -> str:
    """What `kcompile check` prints for a program, run in its folder."""
    return (render_text(checked(path.name, path.read_text("utf-8"))) or f"{path.name}: ok") + "\n"


def provoked(path: Path, folder: Path) -> list[Diagnostic]:
    """Diagnostics of a case that is a script; it may use and fill `folder`."""
    spec = importlib.util.spec_from_file_location(f"case_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.case(folder)


def first_line(diagnostics: list[Diagnostic], folder: Path) -> str:
    return render_text(diagnostics).split("\n")[0].replace(str(folder), "<tmp>") + "\n"


def blocks(page: Path) -> list[str]:
    return [text + "\n" for text in re.findall(r"^```kc\n(.*?)\n```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)]


def test_every_code_has_a_page() -> None:
    assert sorted(PAGES) == CODES


def test_every_code_has_a_case() -> None:
    assert sorted({path.stem[:6] for path in (*PROGRAMS, *SCRIPTS)}) == CODES


def test_every_case_has_an_expected_text() -> None:
    cases = [path.stem for path in (*CASES.glob("KC*.kc"), *CASES.glob("KC*.py"), CASES / "ten_mistakes.kc")]
    assert sorted(path.stem for path in CASES.glob("*.expected")) == sorted(cases)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_program(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    found = shown(path)
    assert found == path.with_suffix(".expected").read_text("utf-8")
    assert f"[{path.stem[:6]}]" in found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_script(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CASES))
    found = provoked(path, tmp_path)
    assert [diagnostic.code for diagnostic in found] == [path.stem]
    assert first_line(found, tmp_path) == path.with_suffix(".expected").read_text("utf-8")


@pytest.mark.parametrize("code", PAGES)
def test_page(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGES[code].read_text("utf-8")
    assert re.match(rf"# {code}: [^\n]+\n\n[^\n#]", text) and text.endswith("\n") and text.count("```") % 2 == 0
    assert max(map(len, text.splitlines())) <= 150
    programs = blocks(PAGES[code])
    if not programs:
        assert "Wrong:" not in text and not (CASES / f"{code}.kc").exists()
        return
    wrong, right = programs
    assert re.findall(r"^(\w+):$", text, re.MULTILINE) == ["Wrong", "Right"]
    monkeypatch.chdir(tmp_path)
    Path("model.kc").write_text(wrong, "utf-8")
    Path("loop.kc").write_text('use "model.kc";\n', "utf-8")
    assert {diagnostic.code for diagnostic in checked("model.kc", wrong)} == {code}
    assert render_text(checked("right.kc", right)) == ""


def test_ten_mistakes_give_ten_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    path = CASES / "ten_mistakes.kc"
    text = path.read_text("utf-8")
    found = checked(path.name, text)
    assert len(found) == len({(diagnostic.code, diagnostic.span and diagnostic.span.start) for diagnostic in found}) == 10
    # Each stands on a line that says so, and no line without a mistake has a message.
    planted = [number for number, line in enumerate(text.splitlines(), start=1) if "// mistake" in line]
    assert [diagnostic.span.source.position(diagnostic.span.start)[0] for diagnostic in found if diagnostic.span] == planted
    assert shown(path) == path.with_suffix(".expected").read_text("utf-8")


def write_expected() -> None:
    """Write the texts as they are now."""
    sys.path.insert(0, str(CASES))
    with contextlib.chdir(CASES):
        for path in (*PROGRAMS, CASES / "ten_mistakes.kc"):
            path.with_suffix(".expected").write_text(shown(path), "utf-8")
    for path in SCRIPTS:
        with tempfile.TemporaryDirectory() as folder:
            path.with_suffix(".expected").write_text(first_line(provoked(path, Path(folder)), Path(folder)), "utf-8")


if __name__ == "__main__":
    write_expected()
