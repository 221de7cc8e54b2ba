from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.train.team import Team


def case(tmp_path: Path) -> list[Diagnostic]:
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def gather(every: list[Any], own: Any) -> None:
        every[:] = own, {**own, "data": "b"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.distributed, "all_gather_object", gather)
        return caught(Team(count=2).check_same, {"circuit": "a", "data": "a"})
