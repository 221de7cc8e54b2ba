from __future__ import annotations

from pathlib import Path

import numpy as np
from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.train.data import check_fit, make_data
from kcompile.train.sources.base import Samples


def case(tmp_path: Path) -> list[Diagnostic]:
    points = make_data("points", Samples(np.ones((4, 2)), np.array([0, 1, 0, 1])), labels=True, validation=0.0, test=0.0, seed=0)
    return caught(check_fit, points, 3, 2, False)
