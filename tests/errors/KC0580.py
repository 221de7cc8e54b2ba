from __future__ import annotations

from pathlib import Path

from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(kc.sweep, LOW_PASS, {"R1.r": "lin(1kOhm,5kOhm)"}, until=1e-9)
