from __future__ import annotations

from pathlib import Path

from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    text = """use std.passive: Capacitor;
    device Runaway(p) { I(gnd, p) <+ 1 S * V(p) * V(p) / 1 V; }
    circuit Grow { node a; Runaway(a); Capacitor(a, gnd) { c = 1 F }; initial a = 1 V; }"""
    return caught(kc.simulate, kc.Source("grow.kc", text), until=2.0)
