from __future__ import annotations

from pathlib import Path

from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    plugin = tmp_path / "mine.py"
    plugin.write_text("x = 1\n")
    return caught(kc.compile, LOW_PASS, passes="simplify", plugins=[plugin])
