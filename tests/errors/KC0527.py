from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    return caught(kc.import_torch, torch.nn.Linear(2, 3), ode=1.0)
