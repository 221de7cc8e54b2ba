from __future__ import annotations

from pathlib import Path

import kcompile as kc
from kcompile.diagnostics import Diagnostic, Reporter
from kcompile.pdk.check import check_loads

MODEL = kc.Source("net.kc", """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node a, b;
    Capacitor(n, gnd) { c = 1 pF } for n in a + b;
    TanhPair w(a, b) { k = 12 };
}
""")


def case(tmp_path: Path) -> list[Diagnostic]:
    report = Reporter()
    check_loads(kc.compile(MODEL), report)
    return list(report.diagnostics)
