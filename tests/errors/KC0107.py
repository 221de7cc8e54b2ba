from __future__ import annotations

from pathlib import Path

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return list(kc.check(kc.Source("long.kc", " " * (64 << 20) + "\n")))
