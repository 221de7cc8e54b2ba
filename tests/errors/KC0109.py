from __future__ import annotations

from pathlib import Path

import pytest

import kcompile.cli
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    found: list[Diagnostic] = []

    def fail(**_: object) -> None:
        raise MemoryError

    def keep(diagnostics: list[Diagnostic]) -> str:
        found.extend(diagnostics)
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kcompile.cli, "cli", fail)
        patch.setattr(kcompile.cli, "render_text", keep)
        with pytest.raises(SystemExit):
            kcompile.cli.main()
    return found
