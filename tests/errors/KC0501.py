from __future__ import annotations

from pathlib import Path

from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(kc.check, tmp_path / "missing.kc")
