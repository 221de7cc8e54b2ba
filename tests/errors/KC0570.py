from __future__ import annotations

from pathlib import Path

from case_support import caught, training

import kcompile as kc
from kcompile.diagnostics import Diagnostic, Source


def case(tmp_path: Path) -> list[Diagnostic]:
    model, data = training()
    return caught(kc.train, Source("net.kc", model.text.replace(" trainable", "")), data, epochs=1)
