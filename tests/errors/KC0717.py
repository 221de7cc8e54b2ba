from __future__ import annotations

from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.kernels.build import load_library


def case(tmp_path: Path) -> list[Diagnostic]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXX", "no-such-compiler")
        with pytest.raises(kc.ToolMissing) as caught:
            load_library("")
    return list(caught.value.diagnostics)
