from __future__ import annotations

from pathlib import Path

import pytest
from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCOMPILE_OPENVAF", "/nowhere/openvaf-r")
        return caught(kc.verify, LOW_PASS, against="osdi", until=1e-9)
