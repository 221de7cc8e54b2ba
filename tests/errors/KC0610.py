from __future__ import annotations

from pathlib import Path

from case_support import caught, training

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    model, data = training()
    circuit = kc.compile(model, settings={"run.w.k": "1e30 S"})
    return caught(kc.train, circuit, data, epochs=1, init=0.0)
