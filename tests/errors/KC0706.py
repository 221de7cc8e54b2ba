from __future__ import annotations

from pathlib import Path

from case_support import with_fake_ngspice

from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return with_fake_ngspice(tmp_path, 'echo "Note: all is well"')
