from __future__ import annotations

from pathlib import Path

from case_support import caught_import

from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught_import(tmp_path, "R1 out 0 1k tc1=0.01")
