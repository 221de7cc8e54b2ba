from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.passes.base import Contract, Pass


class Careless(Pass):
    """Takes every device away."""

    name = "careless"
    contract = Contract.EXACT

    def apply(self, circuit, log):
        return replace(circuit, tables=())


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(kc.compile, LOW_PASS, passes=[Careless()])
