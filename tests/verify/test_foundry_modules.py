"""Verilog-A modules of a foundry: compiled once for each compiler and text, and loaded by no deck that does not bring them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kcompile.diagnostics import SimulatorFailed, ToolMissing
from kcompile.verify.compile_osdi import place_modules
from kcompile.verify.deck import Deck, audit
from kcompile.verify.run_ngspice import run_ngspice

LIB = "* models\n.control\npre_osdi psp.osdi\n.endc\n.model core psp\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module beside the file that it includes, an empty cache, and a compiler that says how often it ran."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "va").mkdir()
    (tmp_path / "va" / "psp.include").write_text("real x;\n")
    (tmp_path / "va" / "psp.va").write_text('`include "psp.include"\n')
    compiler(tmp_path, monkeypatch)
    return tmp_path / "va" / "psp.va"


def compiler(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str = "1", code: int = 0) -> None:
    program = folder / "openvaf-r"
    program.write_text(f"#!/bin/sh\n[ $1 = --version ] && {{ echo OpenVAF-Reloaded {version}; exit; }}\n"
                       f"echo ran >> {folder}/runs; echo refused\n[ {code} = 0 ] && echo compiled {version} > $3\nexit {code}\n")
    os.chmod(program, 0o755)
    monkeypatch.setenv("KCOMPILE_OPENVAF", str(program))


def place(module: Path, folder: Path) -> tuple[int, str]:
    """(runs of the compiler up to now, what lies in the folder of a run)."""
    folder.mkdir(exist_ok=True)
    place_modules(Deck("main.cir", {}, (module,)), str(folder))
    return len((module.parents[1] / "runs").read_text().split()), (folder / "psp.osdi").read_text()


def test_a_module_is_compiled_once(module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place(module, tmp_path / "a") == place(module, tmp_path / "b") == (1, "compiled 1\n")
    (module.parent / "psp.include").write_text("real y;\n")
    assert place(module, tmp_path / "c")[0] == place(module, tmp_path / "d")[0] == 2
    compiler(tmp_path, monkeypatch, version="2")
    assert place(module, tmp_path / "e") == place(module, tmp_path / "f") == (3, "compiled 2\n")


def test_a_module_that_does_not_compile_is_told(module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(tmp_path, monkeypatch, code=1)
    for _ in range(2):
        with pytest.raises(SimulatorFailed) as caught:
            place(module, tmp_path / "a")
        assert (caught.value.diagnostics[0].code, caught.value.diagnostics[0].notes) == ("KC0713", ("refused",))


def test_only_modules_of_the_deck_are_loaded(module: Path) -> None:
    files = {"main.cir": "* title\n.include models.lib\n.end\n", "models.lib": LIB}
    audit(Deck("main.cir", files, (module,)))
    for deck in (Deck("main.cir", files), Deck("main.cir", {**files, "models.lib": LIB.replace("psp.osdi", "x.osdi")}, (module,)),
                 Deck("main.cir", {**files, "models.lib": LIB.replace("\n.endc", "\nshell ls\n.endc")}, (module,))):
        with pytest.raises(SimulatorFailed) as caught:
            audit(deck)
        assert caught.value.diagnostics[0].code == "KC0709"


def test_an_ngspice_without_osdi_is_told(module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ngspice"
    program.write_text("#!/bin/sh\necho 'ngspice-40'\necho 'osdi: no such command available in ngspice'\n")
    os.chmod(program, 0o755)
    monkeypatch.setenv("KCOMPILE_NGSPICE", str(program))
    with pytest.raises(ToolMissing) as caught:
        run_ngspice(Deck("main.cir", {"main.cir": "* title\n.end\n"}, (module,)), expected=[], until=1.0)
    assert caught.value.diagnostics[0].code == "KC0715"
