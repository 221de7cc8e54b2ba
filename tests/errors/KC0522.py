from __future__ import annotations

from pathlib import Path

from case_support import KIRCHHOFFNET, caught, kirchhoffnet

import kcompile as kc
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(kc.import_kirchhoffnet, *kirchhoffnet(tmp_path, KIRCHHOFFNET.replace("ShiftTanh1", "ShiftTan1")))
