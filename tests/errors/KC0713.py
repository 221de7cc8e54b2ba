from __future__ import annotations

from pathlib import Path

from case_support import compiled_with

from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return compiled_with(tmp_path, "echo 'error: unexpected token'; exit 1")
