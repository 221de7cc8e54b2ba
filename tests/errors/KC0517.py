from __future__ import annotations

from pathlib import Path

from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    text = kc.lower(LOW_PASS, "ir")[0].text
    return caught(kc.compile, kc.Source("lowpass.kcir", text.replace("initial", "initials")))
