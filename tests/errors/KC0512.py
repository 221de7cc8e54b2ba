from __future__ import annotations

from pathlib import Path

import pytest
from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.pdk import load


def case(tmp_path: Path) -> list[Diagnostic]:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pdk.toml").write_text('name = "mine"\nlimit = 3\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "data_folder", lambda name: tmp_path)
        return caught(load.load_pdk, "mine")
