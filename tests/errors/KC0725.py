from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.pdk.fit import read_fit


def case(tmp_path: Path) -> list[Diagnostic]:
    (tmp_path / "pdk" / "cells" / "pair").mkdir(parents=True)
    (tmp_path / "pdk" / "cells" / "pair" / "fit.toml").write_text("condition = []\n")
    return caught(read_fit, tmp_path / "pdk" / "cells" / "pair")
