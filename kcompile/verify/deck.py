"""Decks and their audit: every card is checked against a list of what the compiler may write before a simulator sees it.

A deck can carry commands: ngspice runs `.control` blocks with a shell escape, VACASK runs programs after an analysis, and
both follow includes anywhere. The audit knows the few cards we emit in each language and refuses the rest, so a hole in an
emitter cannot become a command.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.diagnostics import Diagnostic, SimulatorFailed, printable
from kcompile.lower.base import Artifact
from kcompile.verify import cards_models, cards_spice, cards_vacask, cards_veriloga
from kcompile.verify.cards import FILE, Refused, compiled_name, without_loads


@dataclass(frozen=True)
class Deck:
    """Files of a simulation, by plain name; `main` is the one that is run. modules: Verilog-A files of a foundry, which its
    models load compiled."""

    main: str
    files: Mapping[str, str]
    modules: tuple[Path, ...] = ()


def deck_of(name: str, artifacts: Sequence[Artifact], modules: tuple[Path, ...] = ()) -> Deck:
    """Deck of a lowering: its test bench and what that reads, and modules of a foundry."""
    main = next(a.name for a in artifacts if a.name.startswith(f"{name}_tb."))
    return Deck(main, {a.name: a.text for a in artifacts if not a.name.endswith((".json", ".sym"))}, modules)


_LANGUAGES = {".cir": cards_spice.check, ".spice": cards_spice.check, ".va": cards_veriloga.check, ".sim": cards_vacask.check,
              ".lib": cards_models.check}
"""Who knows the cards of a file, by its ending."""


def audit(deck: Deck) -> None:
    """Raise `SimulatorFailed` (deck, KC0709) at the first card that the compiler does not write."""
    for name, text in deck.files.items():
        if FILE.fullmatch(name) is None:
            raise _refused(name, Refused(1, name, "is not a plain file name"))
        check = _LANGUAGES.get(Path(name).suffix)
        if check is None:
            raise _refused(name, Refused(1, name, "is in no language that the compiler writes for simulators"))
        plain = without_loads(text, [compiled_name(module.name) for module in deck.modules])
        refused = next(iter(check(name, plain, deck.main, deck.files)), None)
        if refused is not None:
            raise _refused(name, refused)


@contextlib.contextmanager
def written(deck: Deck) -> Iterator[str]:
    """Fresh folder with the files of a deck that has passed the audit; it is gone afterwards."""
    audit(deck)
    with tempfile.TemporaryDirectory(prefix="kcompile-") as folder:
        for name, text in deck.files.items():
            Path(folder, name).write_text(text, encoding="ascii")
        yield folder


def _refused(name: str, refused: Refused) -> SimulatorFailed:
    return SimulatorFailed("deck", Diagnostic(
        "KC0709", f"line {refused.line} of {printable(name, 60)} {refused.why}", notes=(printable(refused.card),),
        hint="this is a defect of the compiler or a netlist changed by hand; it was not run"))
