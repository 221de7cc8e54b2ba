from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    pytest.importorskip("torch", reason="torch is not installed")
    many = kc.compile(kc.Source("many.kc", "use std.passive: Capacitor;\ncircuit Many { node x[1001]; "
                                "Capacitor(n, gnd) for n in x; }"))
    return caught(kc.CircuitModule, many, until=1.0, solver="sdirk2")
