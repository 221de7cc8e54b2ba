from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    text = """use std.passive: Capacitor; use std.compute: Multiplier;
    circuit Grow { node a; Capacitor(a, gnd) { c = 1 F }; Multiplier(a, a, a) { k = 1 A/V^2 }; input a; output a; }"""
    module = kc.CircuitModule(kc.compile(kc.Source("grow.kc", text)), solver="tr-bdf2", steps=2, until=2.0, dtype=torch.float64)
    return caught(module, torch.ones(1, 1, dtype=torch.float64))
