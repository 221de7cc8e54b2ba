from __future__ import annotations

from pathlib import Path

import numpy as np
from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(kc.compile, LOW_PASS, weights={"leak.r": np.array([1.0, 2.0, 0.0, -1.0, 1.0, 1.0])})
