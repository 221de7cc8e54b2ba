from __future__ import annotations

from pathlib import Path

from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    text = ("use std.passive: Capacitor; circuit Many { node a[200001]; Capacitor(n, gnd) for n in a; }")
    return caught(kc.compile(kc.Source("many.kc", text)).to_networkx)
