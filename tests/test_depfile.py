"""Dependency files: make and ninja rebuild when, and only when, a file that outputs were made from has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from command_line import FILES, Run, refused

from kcompile.depfile import format_depfile, named_from

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
needs_ninja = pytest.mark.skipif(shutil.which("ninja") is None, reason="ninja is not installed")

NAMES = ["plain.kc", "a b.kc", "a#b", "a$b", "a$$b", "a:b", "a\\b", "a\\ b", "sub/two  blanks", "ä.kc", "~a", "a,b"]
"""Names that both read; a backslash before a `#` is one that ninja does not."""

ANY = "%:\n\t@true\n"
"""How to make anything: without a recipe make takes a target as made."""

PLUGIN = """from dataclasses import dataclass
from typing import ClassVar
from kcompile.passes.base import Contract, Pass

@dataclass(frozen=True)
class Nothing(Pass):
    name: ClassVar[str] = "nothing"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit, log):
        return circuit
"""


def rule(output: str, inputs: Sequence[str]) -> str:
    return format_depfile([Path(output)], [Path(name) for name in inputs])


def touch(path: Path, seconds: int) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.utime(path, (1e9 + seconds, 1e9 + seconds))


def test_the_text() -> None:
    assert rule("a b/x", ["c#d", "e$f", "c#d"]) == "a\\ b/x: \\\n  c\\#d \\\n  e$$f\n\nc\\#d:\n\ne$$f:\n"
    assert rule("x", ["a\\b", "a\\ b"]).splitlines()[1:3] == ["  a\\b \\", "  a\\\\\\ b"]


@needs_make
@pytest.mark.parametrize("name", [*NAMES, "a\\#b"])
def test_make_reads_every_name(name: str, tmp_path: Path) -> None:
    def question() -> int:
        return subprocess.run(["make", "-q", "out"], cwd=tmp_path, check=False).returncode

    (tmp_path / "Makefile").write_text("include out.d\nout:\n\t@touch out\n")
    (tmp_path / "out.d").write_text(rule("out", [name, "other"]))
    for one in (name, "other"):
        touch(tmp_path / one, 0)
    touch(tmp_path / "out", 10)
    assert question() == 0
    touch(tmp_path / name, 20)
    assert question() == 1
    (tmp_path / name).unlink()
    assert question() == 1, "a file that is gone is no error"


@needs_make
def test_make_reads_every_name_as_an_output(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "Makefile").write_text(format_depfile([Path(name)], [Path("in")]) + ANY)
        touch(tmp_path / "in", 0)
        touch(tmp_path / name, 10)
        assert subprocess.run(["make", "-q", name], cwd=tmp_path, check=False).returncode == 0, name
        touch(tmp_path / "in", 20)
        assert subprocess.run(["make", "-q", name], cwd=tmp_path, check=False).returncode == 1, name


@needs_ninja
@pytest.mark.parametrize("name", NAMES)
def test_ninja_reads_every_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "build.ninja").write_text("rule r\n command = cp made.d out.d; touch out\n depfile = out.d\n deps = gcc\n"
                                          "build out: r\n")
    (tmp_path / "made.d").write_text(format_depfile([Path("out"), Path("another")], [Path(name)]))
    touch(tmp_path / name, 0)

    def idle() -> bool:
        done = subprocess.run(["ninja"], cwd=tmp_path, capture_output=True, text=True, check=True)
        return "no work to do" in done.stdout

    assert not idle() and idle()
    (tmp_path / name).write_text("changed")
    assert not idle()


@pytest.mark.parametrize("name", ["a;b", "a|b", "a=b", "lib(member)", "a%b", "a\nb", "a\\"])
def test_what_make_cannot_read_is_refused(name: str, kcompile_run: Run) -> None:
    Path(name).write_text(FILES["net.kc"])
    refused(kcompile_run(name, "-o", "out", "--depfile", "out.d"), 2, "KC0513", "a dependency file cannot name")
    assert not Path("out").exists() and not Path("out.d").exists()


def test_paths_are_those_that_the_call_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here/sub", "shared", "far"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    folders = [Path("sub"), Path(), Path("../shared"), tmp_path]
    at = tmp_path.resolve()
    assert [str(named_from(at / path, folders)) for path in ("here/sub/a", "here/b", "shared/c")] == ["sub/a", "b", "../shared/c"]
    assert named_from(at / "far/d", folders) == tmp_path / "far/d"
    assert named_from(at / "far/d", [Path()]) == at / "far/d"


@needs_make
def test_the_command_line_under_make(kcompile_run: Run) -> None:
    """Outputs are made again after a change of the program, of what it uses, of weights and plugins."""
    Path("my lib").mkdir()
    Path("my lib/values.kc").write_text("const c0 = 1 pF;\n")
    Path("net work.kc").write_text('use "values.kc";\n' + FILES["low_pass.kc"].replace("1 pF", "c0"))
    Path("plugin.py").write_text(PLUGIN)
    safetensors.numpy.save_file({"C1.c": np.full(1, 3e-12)}, "w$1.safetensors")
    words = ("net work.kc", "--until", "50ns", "--weights", "w$1.safetensors", "--plugin", "plugin.py", "--include", "my lib",
             "-o", "out", "--depfile", "out/net.d")
    done = kcompile_run(*words)
    assert done.code == 0, done
    outputs = done.err.split()
    assert len(outputs) == 4 and "out/net.d" not in outputs
    Path("Makefile").write_text("include out/net.d\n" + ANY)

    def stale() -> set[str]:
        return {name for name in outputs if subprocess.run(["make", "-q", name], check=False).returncode}

    assert stale() == set()
    for name in ("net work.kc", "my lib/values.kc", "w$1.safetensors", "plugin.py"):
        os.utime(name, (4e9, 4e9))
        assert stale() == set(outputs), name
        os.utime(name, (1e9, 1e9))
    assert stale() == set()
    assert "passive.kc" not in Path("out/net.d").read_text(), "files of kcompile are no more named than headers of a system"


@pytest.mark.parametrize("target", ["spice", "veriloga", "ir", "json", "python", "cpp", "svg", "dot"])
def test_every_target_writes_one(target: str, kcompile_run: Run) -> None:
    Path("start.csv").write_text("1,2,3,4\n")
    done = kcompile_run("net.kc", "--input", "start.csv", "--target", target, "--depfile", "net.d")
    assert done.code == 0, done
    left, right = Path("net.d").read_text().split("\n\n")[0].split(": \\\n")
    assert left.split(" \\\n") == done.err.split() and all(Path(name).is_file() for name in left.split(" \\\n"))
    assert right.split(" \\\n") == ["  net.kc", "  start.csv"]
