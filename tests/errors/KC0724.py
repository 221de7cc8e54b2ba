from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.pdk import cell


def case(tmp_path: Path) -> list[Diagnostic]:
    (tmp_path / "mine" / "cells" / "pair").mkdir(parents=True)
    (tmp_path / "mine" / "cells" / "pair" / "cell.toml").write_text('device = "Pair"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell, "data_folder", lambda name: tmp_path)
        return caught(cell.load_cells, "mine")
