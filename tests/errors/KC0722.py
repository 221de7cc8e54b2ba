from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.pdk.find import find_library


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(find_library, "generic")
