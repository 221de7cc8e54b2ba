from __future__ import annotations

from pathlib import Path

from case_support import with_fake_ngspice, write_raw

from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    write_raw(tmp_path / "kept.raw", [(0.0, 0.0), (0.5, float("nan")), (1.0, 0.0)])
    return with_fake_ngspice(tmp_path, f"cp {tmp_path}/kept.raw out.raw")
