from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.imports.torch_file import read_module


def case(tmp_path: Path) -> list[Diagnostic]:
    pytest.importorskip("torch", reason="torch is not installed")
    (tmp_path / "net.py").write_text("from torch import nn\n\nmodel = nn.Linear(2, 2)\n")
    return caught(read_module, f"{tmp_path}/net.py:modle")
