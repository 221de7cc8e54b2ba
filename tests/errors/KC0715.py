from __future__ import annotations

from pathlib import Path

import pytest
from case_support import LOW_PASS, caught, write_program

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCOMPILE_OPENVAF", write_program(tmp_path / "openvaf-r", "exit 0"))
        patch.setenv("KCOMPILE_NGSPICE", write_program(tmp_path / "ngspice", "echo 'ngspice-39 osdi: no such command'"))
        return caught(kc.verify, LOW_PASS, against="osdi", until=1e-9)
