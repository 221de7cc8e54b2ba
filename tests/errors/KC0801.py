from __future__ import annotations

from pathlib import Path

from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(kc.compile, LOW_PASS, passes="simplfy")
