from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.train.data import read_samples


def case(tmp_path: Path) -> list[Diagnostic]:
    (tmp_path / "points.csv").write_text("x,y\n1,2\n3\n")
    return caught(read_samples, str(tmp_path / "points.csv"))
