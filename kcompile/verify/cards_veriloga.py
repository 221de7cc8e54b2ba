"""The lines of a Verilog-A file that the compiler writes: one statement each, no system task, no macro, no loop."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kcompile.verify.cards import NAME, NUMBER, UNKNOWN, Refused, odd_lines

_NAMES = rf"{NAME}(?:, {NAME})*"
_NODES = rf"{NAME}(?:,{NAME})?"
# A word is a number, a name in lower case, or the access function V; two slashes or `/*` would begin a comment.
_EXPRESSION = rf"(?!.*(?://|/\*))(?:V\({_NODES}\)|[a-z0-9_.,+\-*/()<>=!?:&| ])+"
_RANGE = rf"[\[(](?:-inf|{NUMBER}):(?:inf|{NUMBER})[\])]"

_LINES = [re.compile(pattern, re.ASCII) for pattern in (
    r"",
    r"// [^\\`]*",
    r'`include "disciplines\.vams"',
    rf"module {NAME}\({_NAMES}\);",
    rf"    (?:inout|electrical) {_NAMES};",
    rf'    \(\* type="instance" \*\) parameter real {NAME} = {NUMBER}(?: from {_RANGE})?;',
    rf"    real {NAME};",
    r"    analog begin",
    rf"        {NAME} = {_EXPRESSION};",
    rf"        I\({_NODES}\) <\+ {_EXPRESSION};",
    r"    end",
    r"endmodule",
)]


def check(name: str, text: str, main: str, files: Mapping[str, str]) -> Iterator[Refused]:
    """Lines that the compiler does not write, with the first first."""
    yield from odd_lines(text)
    for number, line in enumerate(text.split("\n"), start=1):
        if not any(pattern.fullmatch(line) for pattern in _LINES):
            yield Refused(number, line, UNKNOWN)
