from __future__ import annotations

from pathlib import Path

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    path = tmp_path / "latin.kc"
    path.write_bytes(b"// r\xe9sistance\n")
    return list(kc.check(path))
