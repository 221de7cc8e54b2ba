"""The generators of programs and networks live beside the benchmarks; tests use the same ones. Tools that tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import FILES, Done, Run

import kcompile.cli
from kcompile.diagnostics import ToolMissing
from kcompile.registry import pick
from kcompile.verify.compare import Simulator

sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture(scope="session")
def osdi() -> Simulator:
    """ngspice with compiled modules; its tests are skipped where a tool is missing."""
    return _simulator("osdi")


@pytest.fixture(scope="session")
def vacask() -> Simulator:
    """VACASK; its tests are skipped where a tool is missing."""
    return _simulator("vacask")


def _simulator(name: str) -> Simulator:
    simulator = pick("kcompile.verify", "SIMULATOR", name)
    try:
        simulator.version()
    except ToolMissing as missing:
        pytest.skip(missing.diagnostics[0].message)
    return simulator


@pytest.fixture
def kcompile_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `kcompile WORDS` in a folder with the models above; nothing ever prints a traceback."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["kcompile", *words])
        with pytest.raises(SystemExit) as stopped:
            kcompile.cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Done(int(stopped.value.code or 0), said.out, said.err)

    return run
