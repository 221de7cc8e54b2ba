from __future__ import annotations

from pathlib import Path

from case_support import caught_import

from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught_import(tmp_path, ".param load=1k\nR1 out 0 load")
