from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.train.team import Team


def case(tmp_path: Path) -> list[Diagnostic]:
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def reduce(values: torch.Tensor) -> None:
        raise RuntimeError("Connection closed by peer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.distributed, "all_reduce", reduce)
        return caught(Team(count=2).sum, torch.ones(1))
