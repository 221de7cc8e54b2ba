from __future__ import annotations

from pathlib import Path

from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    large = kc.compile(kc.Source("large.kc", "use std.passive: Capacitor;\ncircuit Large { node x[200001]; "
                                 "Capacitor(n, gnd) { c = 1 F } for n in x; }"))
    return caught(kc.lower, large, "cpp", until=1.0)
