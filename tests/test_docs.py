"""The documents hold: programs check, transcripts are repeated, tables and lists are those of the code.

Marks of a code fence: `kc` is a whole program, `kc fragment` a part of one, `kc wrong` names its codes in its first two
lines; a first line `// file: NAME` writes a block into the folder the transcripts run in. `console` is a transcript of
`kcompile` and `cat`; `...` stands for anything on a line, or for any lines where it stands alone. `pycon` is run by doctest.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import render_text
from kcompile.syntax.functions import RESERVED

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# The measurements in figures.md are written by a program of their own.
PAGES = [*sorted(path for path in DOCS.rglob("*.md") if path.name != "figures.md"),
         ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
ERRORS = ROOT / "kcompile" / "errors"

_FENCE = re.compile(r"^```([a-z]*)[ \t]*([^\n]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?://|#) file: ([\w.-]+)\n")
_EXIT = re.compile(r"\s+# exit ([0-9]+)\s*$")


@dataclass(frozen=True)
class Block:
    """One code fence of a page."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        match = _FILE.match(self.text)
        return match[1] if match else None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(page, text.count("\n", 0, m.start()) + 1, m[1], m[2].strip(), m[3]) for m in _FENCE.finditer(text)]


BLOCKS = [block for page in PAGES for block in blocks(page)]
PROGRAMS = [block for block in BLOCKS if block.language == "kc"]


# ---- programs ---------------------------------------------------------------------------------------------------------


def test_fences_are_closed_and_known() -> None:
    for page in PAGES:
        assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(blocks(page)), f"{page.name}: a fence is open"
    assert {b.language for b in BLOCKS} <= {"kc", "console", "pycon", "text", "sh", "mermaid", "python", "toml", "spice", "json"}
    assert {b.mark for b in PROGRAMS} <= {"", "fragment", "wrong"}


def test_fragments_are_few() -> None:
    assert sum(block.mark == "fragment" for block in PROGRAMS) * 3 <= len(PROGRAMS)


def files_before(block: Block) -> Iterator[Block]:
    for other in blocks(block.page):
        if other.line > block.line:
            return
        if other.file:
            yield other


@pytest.mark.parametrize("block", [b for b in PROGRAMS if b.mark != "fragment"], ids=str)
def test_program(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole program has no diagnostics; one marked `wrong` has the codes it names."""
    monkeypatch.chdir(tmp_path)
    for other in files_before(block):
        (tmp_path / str(other.file)).write_text(other.text, encoding="utf-8")
    found = kc.check(block.file or kc.Source("block.kc", block.text))
    if block.mark == "wrong":
        wanted = set(re.findall(r"KC[0-9]{4}", " ".join(block.text.split("\n")[:2])))
        assert wanted and {d.code for d in found} == wanted, render_text(found)
    else:
        assert not found, render_text(found)


# ---- transcripts ------------------------------------------------------------------------------------------------------


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """(command, expected output) of a transcript."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert parts[0] == "", f"{block}: a transcript starts with `$ `"
    for part in parts[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def pattern(expected: str) -> str:
    """Regular expression of an expected output."""
    lines = []
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(re.escape(line.rstrip()).replace(re.escape("..."), r"[^\n]*") + r"[ \t]*\n")
    return "".join(lines) if expected.strip() else ""


def run(command: str, folder: Path) -> tuple[int, str]:
    words = shlex.split(command)
    if words[0] == "cat":
        return 0, "".join((folder / word).read_text(encoding="utf-8") for word in words[1:])
    assert words[0] == "kcompile", f"only kcompile and cat are run, not {words[0]}"
    done = subprocess.run([sys.executable, "-m", "kcompile", *words[1:]], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", timeout=300)
    return done.returncode, done.stdout


def missing_simulators(page: Path) -> list[str]:
    """Names of simulators that a page verifies against and that are not installed."""
    from kcompile.diagnostics import ToolMissing
    from kcompile.registry import find

    named = {name for block in blocks(page) for found in re.findall(r"--against (\S+)", block.text) for name in found.split(",")}
    missing = []
    for name in sorted(named):
        try:
            find("kcompile.verify", "SIMULATOR")[name].version()
        except ToolMissing:
            missing.append(name)
    return missing


def needs_ngspice(block: Block) -> bool:
    return any(word in block.text for word in ("kcompile verify", " --check", "kcompile doctor", "kc.verify")) \
        and block.language in ("console", "pycon")


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.language in ("console", "pycon") for b in blocks(p))],
                         ids=lambda p: p.stem)
def test_transcripts(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shown command gives the shown output and exit code, in order, in one folder."""
    monkeypatch.chdir(tmp_path)
    if any("import torch" in block.text for block in blocks(page)):
        for package in ("torch", "yaml"):
            pytest.importorskip(package, reason=f"{package} is not installed")
    if shutil.which("ngspice") is None and any(map(needs_ngspice, blocks(page))):
        pytest.skip("ngspice is not installed")
    if missing := missing_simulators(page):
        pytest.skip(f"not installed: {', '.join(missing)}")
    session: dict[str, object] = {}
    for block in blocks(page):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for command, expected in commands(block):
                exit_code = _EXIT.search(command)
                code, output = run(_EXIT.sub("", command), tmp_path)
                assert code == (int(exit_code[1]) if exit_code else 0), f"{block}: {command}\n{output}"
                assert re.fullmatch(pattern(expected), output), f"{block}: {command}\n{output}"
        elif block.language == "pycon":
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            test = doctest.DocTestParser().get_doctest(block.text, session, str(block), str(page), block.line)
            report: list[str] = []
            runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
            runner.run(test, out=report.append, clear_globs=False)
            session = test.globs
            assert runner.failures == 0, "".join(report)


# ---- tables and lists -------------------------------------------------------------------------------------------------


def constants() -> dict[str, int]:
    """Every MAX_ constant of the code by module and name."""
    found = {}
    for path in sorted((ROOT / "kcompile").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "kcompile").with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
            if isinstance(target, ast.Name) and target.id.startswith("MAX_"):
                found[f"{module}.{target.id}"] = getattr(importlib.import_module(f"kcompile.{module}"), target.id)
    return found


def section(page: str, title: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    start = re.search(rf"^#+ .*{re.escape(title)}.*\n", text, re.MULTILINE)
    assert start, f"{page} has no section `{title}`"
    stop = re.search(r"^## ", text[start.end():], re.MULTILINE)
    return text[start.end(): start.end() + stop.start()] if stop else text[start.end():]


def test_limits_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `([\w.]+\.MAX_\w+)` \| ([0-9,]+) \| \S", section("language.md", "Limits"), re.MULTILINE)
    assert {name: int(value.replace(",", "")) for name, value in rows} == constants()


def test_reserved_words_are_those_of_the_code() -> None:
    fence = _FENCE.search(section("language.md", "Reserved words"))
    assert fence and set(fence[3].split()) == RESERVED


def test_the_table_of_targets_is_whole() -> None:
    from kcompile.registry import find

    rows = re.findall(r"^\| `(\w+)` \|", section("language.md", "Targets"), re.MULTILINE)
    assert sorted(rows) == sorted(find("kcompile.lower", "TARGET"))


def test_every_code_has_its_line() -> None:
    lines = re.findall(r"^- \[(KC[0-9]{4})\]\(\.\./kcompile/errors/\1\.md\): (\S.*)$",
                       (DOCS / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    heads = [path.read_text(encoding="utf-8").split("\n", 1)[0] for path in sorted(ERRORS.glob("KC*.md"))]
    assert [f"# {code}: {title}" for code, title in lines] == heads, "run the loop at the end of CONTRIBUTING.md"


def test_waveforms_of_the_reference_are_those_of_the_code() -> None:
    from kcompile.syntax.functions import FUNCTIONS, WAVEFORMS

    text = section("language.md", "Waveforms")
    for name, waveform in WAVEFORMS.items():
        row = re.search(rf"^\| `{name}\(([^`]*)\)` \|", text, re.MULTILINE)
        assert row, name
        if not waveform.repeats:
            assert [a.partition("=")[0].strip() for a in row[1].split(",")] == [a.name for a in waveform.arguments]
    functions = section("language.md", "Functions")
    assert {f.partition("(")[0] for f in re.findall(r"^\| `(\w+\([^`]*\))` \|", functions, re.MULTILINE)} == set(FUNCTIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"
