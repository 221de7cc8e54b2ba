from __future__ import annotations

from pathlib import Path

import pytest
from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    module = kc.CircuitModule(kc.compile(LOW_PASS), until=1e-6)
    return caught(module, torch.zeros(6))
