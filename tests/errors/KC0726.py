from __future__ import annotations

from pathlib import Path

from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.pdk.placement import place

MODEL = kc.Source("net.kc", """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node a, b;
    Capacitor(n, gnd) { c = 1 pF } for n in a + b;
    TanhPair w(a, b) { k = 1.5 };
}
""")


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(place, kc.compile(MODEL))
