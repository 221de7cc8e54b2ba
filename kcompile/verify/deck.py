"""Decks and their audit: every card is checked against a list of what the compiler may write before a simulator sees it.

A deck can carry commands: ngspice runs `.control` blocks with a shell escape, and follows includes anywhere. The audit
knows the few cards we emit and refuses the rest, so a hole in an emitter cannot become a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kcompile.diagnostics import Diagnostic, SimulatorFailed, printable
from kcompile.lower.base import Artifact


@dataclass(frozen=True)
class Deck:
    """Files of a simulation, by plain name; `main` is the one that is run."""

    main: str
    files: Mapping[str, str]


def deck_of(name: str, artifacts: Sequence[Artifact]) -> Deck:
    """Deck of a lowering: its test bench and its netlist."""
    return Deck(f"{name}_tb.cir", {a.name: a.text for a in artifacts if not a.name.endswith(".json")})


_NAME = r"[a-z_][a-z0-9_]*"
_NODE = rf"(?:0|{_NAME}(?:\.{_NAME})*)"
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
_EXPRESSION = r"[a-z0-9_.,+\-*/()<>=!?: ]+"
_BRACED = rf"\{{{_EXPRESSION}\}}"
_VALUE = rf"(?:{_NUMBER}|{_BRACED})"
_FILE = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_SOURCE = rf"(?:(?:dc )?{_VALUE}|(?:pulse|sin|pwl|exp)\((?:{_NUMBER}[ ,]*)+\))"
_OPTION = (rf"(?:reltol|abstol|vntol|chgtol|gmin|itl1|itl4|maxord|trtol|numdgt)={_NUMBER}"
           r"|method=(?:trap|gear)|noopiter|noacct|klu|sparse")

_CARDS = [re.compile(pattern, re.ASCII) for pattern in (
    rf"[rcl][a-z0-9_]+ {_NODE} {_NODE} {_VALUE}(?: ic={_VALUE})?",
    rf"[ge][a-z0-9_]+ {_NODE} {_NODE} {_NODE} {_NODE} {_VALUE}",
    rf"b[a-z0-9_]+ {_NODE} {_NODE} [iv]=(?:[a-z0-9_.,+\-*/()<>=!?: {{}}]+)",
    rf"[vi][a-z0-9_]+ {_NODE} {_NODE} {_SOURCE}",
    rf"x[a-z0-9_]+(?: {_NODE})+(?: params:(?: {_NAME}={_VALUE})+)?",
    rf"\.subckt {_NAME}(?: {_NODE})*(?: params:(?: {_NAME}={_VALUE})+)?",
    rf"\.ends(?: {_NAME})?",
    rf"\.param(?: {_NAME}={_VALUE})+",
    rf"\.ic v\({_NODE}\)={_VALUE}",
    rf"\.options?(?: (?:{_OPTION}))+",
    rf"\.tran {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER} uic",
    rf"\.save(?: v\({_NODE}\))+",
    r"\.end",
)]
_INCLUDE = re.compile(rf"\.include ({_FILE})", re.ASCII)
_LINE = re.compile(r"[\x20-\x7e]*")


def audit(deck: Deck) -> None:
    """Raise `SimulatorFailed` (deck, KC0709) at the first card that the compiler does not write."""
    for name, text in deck.files.items():
        if re.fullmatch(_FILE, name) is None:
            raise _refused(name, 1, name, "is not a plain file name")
        if name == deck.main and not text.startswith("* "):  # `*ng_script` would make it a list of commands
            raise _refused(name, 1, text.split("\n", 1)[0], "must be a comment, the title")
        for line, card in _cards(name, text):
            _check(deck, name, line, card)


def _check(deck: Deck, name: str, line: int, card: str) -> None:
    include = _INCLUDE.fullmatch(card)
    if include:
        if include[1] not in deck.files:
            raise _refused(name, line, card, "includes a file that is not part of the deck")
        return
    folded = re.sub(r" +", " ", card.strip().lower())
    if folded and not any(pattern.fullmatch(folded) for pattern in _CARDS):
        raise _refused(name, line, card, "is not a card the compiler writes")


def _cards(name: str, text: str) -> Iterator[tuple[int, str]]:
    """(line number, card) with continuation lines joined; comments are checked for their characters and dropped."""
    held, at = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        if _LINE.fullmatch(line) is None:
            raise _refused(name, number, line, "holds a character outside printable ASCII")
        if line.startswith("+"):
            if not held:  # simulators continue the card before a comment or a blank line
                raise _refused(name, number, line, "continues nothing")
            held += " " + line[1:].strip()
            continue
        if held:
            yield at, held
        held, at = ("" if line.startswith("*") else line.strip()), number
    if held:
        yield at, held


def _refused(name: str, line: int, card: str, why: str) -> SimulatorFailed:
    return SimulatorFailed("deck", Diagnostic(
        "KC0709", f"line {line} of {printable(name, 60)} {why}", notes=(printable(card),),
        hint="this is a defect of the compiler or a netlist changed by hand; it was not run"))
