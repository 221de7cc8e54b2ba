from __future__ import annotations

from pathlib import Path

import pytest
from case_support import WITH_PHASES, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXX", str(tmp_path / "g++"))
        return caught(kc.CircuitModule, kc.compile(WITH_PHASES), backend="compiled")
