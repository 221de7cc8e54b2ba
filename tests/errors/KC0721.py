from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.pdk.find import Installation
from kcompile.pdk.load import load_pdk
from kcompile.pdk.trim import trim


def case(tmp_path: Path) -> list[Diagnostic]:
    library = load_pdk("sky130").library
    assert library is not None
    return caught(trim, Installation("sky130", library, tmp_path, "a test"), "tx", ())
