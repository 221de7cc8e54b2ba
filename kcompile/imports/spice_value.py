"""Numbers of SPICE: digits, a suffix, and letters that say nothing."""

from __future__ import annotations

import math
import re

from kcompile.imports.spice_text import Word

NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?[a-z]*"

_PARTS = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(?:e([+-]?[0-9]+))?(meg|mil|[tgkmunpfa])?[a-z]*")
_POWERS = {None: 0, "meg": 6, "t": 12, "g": 9, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18}
"""Power of ten by the letters after a number; more letters say nothing."""


def read_number(word: Word) -> float:
    """Value of a plain number, with a sign or without; raises `CompileError` KC0531, KC0532."""
    signed = word.text[0] in "+-"
    match = _PARTS.fullmatch(word.text, signed)
    if match is None:
        raise word.refuse("KC0531", f"a number is expected here, not `{word.text[:40]}`",
                          f"a parameter stands in braces: `{{{word.text}}}`" if word.text.isidentifier() else "")
    value = _scaled(match, word)
    return -value if signed and word.text[0] == "-" else value


def read_unsigned(word: Word) -> float:
    """Value of a word that is a number; raises `CompileError` KC0532."""
    match = _PARTS.fullmatch(word.text)
    assert match is not None
    return _scaled(match, word)


def _scaled(match: re.Match[str], word: Word) -> float:
    mantissa, exponent, suffix = match.groups()
    if suffix == "mil":
        raise word.refuse("KC0532", "`mil` is 25.4e-6 in some places of ngspice and 1e-3 in others",
                          "write the number without it")
    exponent = exponent or "0"
    given = int(exponent) if len(exponent) < 10 else -(10**9) if exponent[0] == "-" else 10**9
    value = float(f"{mantissa}e{given + _POWERS[suffix]}")  # rounded once
    if value == math.inf:
        raise word.refuse("KC0532", f"the number `{word.text[:40]}` is too large")
    return value
