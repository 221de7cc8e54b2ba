from __future__ import annotations

from pathlib import Path

import numpy as np
from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.train.data import make_data
from kcompile.train.sources.base import Samples


def case(tmp_path: Path) -> list[Diagnostic]:
    samples = Samples(np.array([[1.0], [2.0]]), np.array([0, 1]))
    return caught(make_data, "points", samples, labels=True, validation=0.0, test=0.5, seed=0)
