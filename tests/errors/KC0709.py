from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.verify.deck import Deck
from kcompile.verify.run_ngspice import run_ngspice


def case(tmp_path: Path) -> list[Diagnostic]:
    deck = Deck("main.cir", {"main.cir": "* title\n.control\nshell date\n.endc\n.end\n"})
    return caught(run_ngspice, deck, expected=["v(out)"], until=1.0)
