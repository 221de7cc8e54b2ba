from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.files import write_files


def case(tmp_path: Path) -> list[Diagnostic]:
    (tmp_path / "taken").write_text("")
    return caught(write_files, tmp_path / "taken", {"a.txt": "text"})
