from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic

HIGH_PASS = kc.Source("highpass.kc", """use std.passive: Resistor, Capacitor;

circuit HighPass(vin, vout) {
    drive vin = dc(1 V);
    Capacitor(vin, vout) { c = 1 nF };
    Resistor(vout, gnd);
    output vout;
}
""")


def case(tmp_path: Path) -> list[Diagnostic]:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    module = kc.CircuitModule(kc.compile(HIGH_PASS), until=1e-6, steps=2)
    return caught(module, drives=torch.zeros(2, 4, 1))
