from __future__ import annotations

from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.pdk.find import find_library


def case(tmp_path: Path) -> list[Diagnostic]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "HOME", "PDK_ROOT"):
            patch.setenv(name, str(tmp_path))
        with pytest.raises(kc.ToolMissing) as caught:
            find_library("gf180mcu")
    return list(caught.value.diagnostics)
