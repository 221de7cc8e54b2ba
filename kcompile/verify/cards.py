"""What the audits of all languages share: plain names of files, lines in printable ASCII, modules that a deck brings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

NAME = r"[a-z_][a-z0-9_]*"
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
PLAIN_FILE = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
FILE = re.compile(PLAIN_FILE, re.ASCII)
UNKNOWN = "is not a card the compiler writes"

_LINE = re.compile(r"[\x20-\x7e]*")
_MODULE = re.compile(rf"^module ({NAME})\(", re.MULTILINE | re.ASCII)


class Refused(NamedTuple):
    """A card that the compiler does not write: line number, text, what is wrong."""

    line: int
    card: str
    why: str


def odd_lines(text: str) -> Iterator[Refused]:
    """Lines with other characters than printable ASCII."""
    for number, line in enumerate(text.split("\n"), start=1):
        if _LINE.fullmatch(line) is None:
            yield Refused(number, line, "holds a character outside printable ASCII")


def modules_of(files: Mapping[str, str]) -> frozenset[str]:
    """Names of the Verilog-A modules of a deck."""
    return frozenset(name for file, text in files.items() if file.endswith(".va") for name in _MODULE.findall(text))


def without_loads(text: str, compiled: Iterable[str]) -> str:
    """The text with the blocks that load compiled modules, and say nothing else, as comments."""
    for name in compiled:
        text = text.replace(f"\n.control\npre_osdi {name}\n.endc\n", "\n*\n*\n*\n")
    return text


def compiled_name(file: str) -> str:
    """Name of the OSDI file that a Verilog-A file is compiled to."""
    return f"{file.removesuffix('.va')}.osdi"
