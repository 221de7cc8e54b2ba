from __future__ import annotations

from pathlib import Path

from case_support import caught_import

from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught_import(tmp_path, "E1 amp 0 in 0 2\nC1 amp 0 1p")
