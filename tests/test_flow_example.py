"""The flow in examples/flow: make runs it to the end, does nothing again, and makes again what a change touches."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
MISSING = [name for name in ("make", "ngspice") if shutil.which(name) is None]
MISSING += [] if importlib.util.find_spec("klayout") else ["klayout"]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs make in a copy of the flow."""
    shutil.copytree(EXAMPLES / "flow", tmp_path / "flow", ignore=shutil.ignore_patterns("out"))
    for name in ("two_moons_sky130.kc", "two_moons_sky130.safetensors"):
        shutil.copyfile(EXAMPLES / name, tmp_path / name)
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", f"KCOMPILE={sys.executable} -m kcompile", f"PYTHON={sys.executable}", *words],
                              cwd=tmp_path / "flow", env=environment, capture_output=True, text=True, timeout=300, check=False)

    return run


def test_the_flow(make: Make, tmp_path: Path) -> None:
    out = tmp_path / "flow" / "out"
    done = make("all", "gds")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: " in (out / "verified.txt").read_text()
    assert "passed: all nets, pins and sizes match" in (out / "compared.txt").read_text()
    assert (out / "layout" / "TwoMoonsSky130_placement.gds").stat().st_size > 0
    assert "Nothing to be done for 'all'" in make("all").stdout and make("-q", "gds").returncode == 0
    for name in ("two_moons_sky130.safetensors", "two_moons_sky130.kc"):
        os.utime(tmp_path / name)
        planned = make("-n", "all", "gds").stdout
        assert planned.count("-m kcompile") == 4 and "_placement.py" in planned, planned
    assert make("out/chip/TwoMoonsSky130.manifest.json", "out/layout/TwoMoonsSky130.manifest.json").returncode == 0
    planned = make("-n", "all").stdout
    assert planned.count("verify") == 2 and "depfile" not in planned, "netlists are new, what was said of them is not"
