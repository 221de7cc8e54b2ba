"""The cards of a file of models, cut from the library of a process: parameters, subcircuits of elements, models; no commands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kcompile.verify.cards import Refused, odd_lines

_KNOWN = re.compile(r"(?:\.(?:param|func|options?|global|subckt|ends|model|if|elseif|else|endif|nodeset)\b|[b-z]|\+|\*|$)",
                    re.ASCII | re.IGNORECASE)
"""Elements but those of letter a, which run code of their own."""
_QUOTED = re.compile(r"[\"`]")
"""Names of files and programs stand in such."""


def check(name: str, text: str, main: str, files: Mapping[str, str]) -> Iterator[Refused]:
    """Cards that are no models, the first first: such a file runs nothing, reads nothing and writes nothing."""
    yield from odd_lines(text.replace("\t", " "))
    for number, line in enumerate(text.split("\n"), start=1):
        if _KNOWN.match(line.strip()) is None or (not line.startswith("*") and _QUOTED.search(line)):
            yield Refused(number, line, "is no card of a model library")
