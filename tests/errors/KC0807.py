from __future__ import annotations

from pathlib import Path

from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.passes.base import Contract, Pass


class Wrong(Pass):
    """Asks for a bank that is not there."""

    name = "wrong"
    contract = Contract.EXACT

    def apply(self, circuit, log):
        return circuit.tables[99]


def case(tmp_path: Path) -> list[Diagnostic]:
    return caught(kc.compile, LOW_PASS, passes=[Wrong()])
