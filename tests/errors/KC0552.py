from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    pytest.importorskip("torch", reason="torch is not installed")
    chain = kc.compile(kc.Source("chain.kc", "use std.passive: Capacitor;\ncircuit Chain { node x[2001]; Capacitor(x[0], gnd); "
                                 "Capacitor(x[k], x[k + 1]) for k in 0..2000; }"))
    return caught(kc.CircuitModule, chain, until=1.0, backend="torch")
