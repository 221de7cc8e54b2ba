"""The generators of programs and networks live beside the benchmarks; tests use the same ones. Tools that tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

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
