from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.train.data import read_samples


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(read_samples, "moon")
