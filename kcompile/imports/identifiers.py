"""Names of a netlist as names of a program: what both can say stays, the rest is folded into `_`, and none is used twice."""

from __future__ import annotations

import re

from kcompile.syntax.functions import RESERVED

MAX_LENGTH = 100
"""Characters of a name; a longer one is cut."""

_PLAIN = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_LENGTH - 1}}}")
_OTHER = re.compile(r"[^A-Za-z0-9_]")


class Identifiers:
    """Gives out names of one scope; those of `outside` keep their meaning in it."""

    def __init__(self, outside: Identifiers | None = None) -> None:
        self._outside = outside
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def has(self, name: str) -> bool:
        return name in self._taken or name in RESERVED or (self._outside is not None and self._outside.has(name))

    def claim(self, source: str) -> str:
        """A free name as close to the source name as may be."""
        name = source
        if not _PLAIN.fullmatch(source):
            name = _OTHER.sub("_", source)[:MAX_LENGTH]
            name = name if name[:1].isalpha() or name[:1] == "_" else f"n{name}"
        found = name
        while self.has(found):
            self._next[name] = self._next.get(name, 1) + 1
            found = f"{name}_{self._next[name]}"
        self._taken.add(found)
        return found
