"""The cards of a SPICE deck that the compiler writes, with those of modules or of transistors where it brings such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kcompile.verify.cards import NAME, NUMBER, PLAIN_FILE, UNKNOWN, Refused, compiled_name, modules_of, odd_lines, without_loads

_NODE = rf"(?:0|{NAME}(?:\.{NAME})*)"
_EXPRESSION = r"[a-z0-9_.,+\-*/()<>=!?: ]+"
_BRACED = rf"\{{{_EXPRESSION}\}}"
_VALUE = rf"(?:{NUMBER}|{_BRACED})"
_SOURCE = rf"(?:(?:dc )?{_VALUE}|(?:pulse|sin|pwl|exp)\((?:{NUMBER}[ ,]*)+\))"
_OPTION = (rf"(?:reltol|abstol|vntol|chgtol|gmin|itl1|itl4|maxord|trtol|numdgt)={NUMBER}"
           r"|method=(?:trap|gear)|noopiter|noacct|klu|sparse")

_CARDS = [re.compile(pattern, re.ASCII) for pattern in (
    rf"[rcl][a-z0-9_]+ {_NODE} {_NODE} {_VALUE}(?: ic={_VALUE})?",
    rf"[ge][a-z0-9_]+ {_NODE} {_NODE} {_NODE} {_NODE} {_VALUE}",
    rf"b[a-z0-9_]+ {_NODE} {_NODE} [iv]=(?:[a-z0-9_.,+\-*/()<>=!?: {{}}]+)",
    rf"[vi][a-z0-9_]+ {_NODE} {_NODE} {_SOURCE}",
    rf"x[a-z0-9_]+(?: {_NODE})+(?: params:(?: {NAME}={_VALUE})+)?",
    rf"\.subckt {NAME}(?: {_NODE})*(?: params:(?: {NAME}={_VALUE})+)?",
    rf"\.ends(?: {NAME})?",
    rf"\.param(?: {NAME}={_VALUE})+",
    rf"\.ic v\({_NODE}\)={_VALUE}",
    rf"\.options?(?: (?:{_OPTION}))+",
    rf"\.tran {NUMBER} {NUMBER} {NUMBER} {NUMBER} uic",
    rf"\.save(?: v\({_NODE}\))+",
    r"\.end",
)]
_OSDI_CARDS = [re.compile(pattern, re.ASCII) for pattern in (
    rf"n[a-z0-9_]+(?: {_NODE})+ (?P<module>{NAME})(?: {NAME}={_VALUE})*",
    rf"\.model (?P<module>{NAME}) (?P=module)",
    rf"\.tran {NUMBER} {NUMBER} {NUMBER} {NUMBER}",
)]
_TRANSISTOR_CARDS = [re.compile(pattern, re.ASCII) for pattern in (
    rf"x[a-z0-9_]+(?: {_NODE})+(?: {NAME}={_VALUE})+",
    rf"v[a-z0-9_]+ {_NODE} {_NODE} dc {NUMBER} ac [01]",
    rf"\.options?(?: (?:{_OPTION}|wnflag=1|seed=[0-9]+))+",
    rf"\.temp {NUMBER}",
    rf"\.dc(?: v[a-z0-9_]+ {NUMBER} {NUMBER} {NUMBER}){{1,2}}",
    rf"\.ac lin 1 {NUMBER} {NUMBER}",
    rf"\.tran {NUMBER} {NUMBER} {NUMBER} {NUMBER}",
    rf"\.save(?: [vi]\({_NODE}\))+",
)]
"""Of decks that bring models of transistors."""
_INCLUDE = re.compile(rf"\.include ({PLAIN_FILE})", re.ASCII)


def check(name: str, text: str, main: str, files: Mapping[str, str]) -> Iterator[Refused]:
    """Cards that the compiler does not write, with the first first."""
    yield from odd_lines(text)
    if name == main:
        if not text.startswith("* "):  # `*ng_script` would make it a list of commands
            yield Refused(1, text.split("\n", 1)[0], "must be a comment, the title")
        text = without_loads(text, [compiled_name(file) for file in files if file.endswith(".va")])
    modules, models = modules_of(files), any(file.endswith(".lib") for file in files)
    for line, card in _cards(text):
        if not card:
            yield Refused(line, text.split("\n")[line - 1], "continues nothing")
        elif include := _INCLUDE.fullmatch(card):
            if include[1] not in files:
                yield Refused(line, card, "includes a file that is not part of the deck")
        elif not _is_known(re.sub(r" +", " ", card.strip().lower()), modules, models):
            yield Refused(line, card, UNKNOWN)


def _is_known(card: str, modules: frozenset[str], models: bool) -> bool:
    if not card or any(pattern.fullmatch(card) for pattern in [*_CARDS, *(_TRANSISTOR_CARDS if models else ())]):
        return True
    found = [match.groupdict() for pattern in _OSDI_CARDS if (match := pattern.fullmatch(card))] if modules else []
    return any("module" not in said or said["module"] in modules for said in found)


def _cards(text: str) -> Iterator[tuple[int, str]]:
    """(line number, card) with continuation lines joined and comments dropped; a continuation of nothing is empty."""
    held, at = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("+"):
            if not held:  # simulators continue the card before a comment or a blank line
                yield number, ""
            held += " " + line[1:].strip()
            continue
        if held:
            yield at, held
        held, at = ("" if line.startswith("*") else line.strip()), number
    if held:
        yield at, held
