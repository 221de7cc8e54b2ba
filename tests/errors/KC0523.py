from __future__ import annotations

from pathlib import Path

from case_support import KIRCHHOFFNET, caught, kirchhoffnet

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    config, checkpoint = kirchhoffnet(tmp_path, KIRCHHOFFNET)
    checkpoint.write_bytes(b"hello")
    return caught(kc.import_kirchhoffnet, config, checkpoint)
