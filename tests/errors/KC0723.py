from __future__ import annotations

from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.pdk.install import install


def case(tmp_path: Path) -> list[Diagnostic]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        patch.setenv("PIP_NO_INDEX", "1")
        with pytest.raises(kc.ToolMissing) as caught:
            install("ihp_sg13g2")
    return list(caught.value.diagnostics)
