from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.pdk.cards import Reader


def case(tmp_path: Path) -> list[Diagnostic]:
    (tmp_path / "models.lib").write_text(".lib tt\n.param a=1\n.endl\n")
    return caught(lambda: list(Reader().cards(tmp_path / "models.lib", "ss")))
