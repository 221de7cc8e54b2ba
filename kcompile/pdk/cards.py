"""A model library as cards: the chosen sections, with includes followed and comments left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kcompile.diagnostics import CompileError, Diagnostic, printable

MAX_DEPTH = 20
"""Files that include each other."""
MAX_BYTES = 256 << 20
"""Of one file."""

_SECTION = re.compile(r"\.lib\s+(\S+)\s*$", re.IGNORECASE)
_CHOICE = re.compile(r"""\.lib\s+(?:"([^"]+)"|'([^']+)'|(\S+))\s+(\S+)\s*$""", re.IGNORECASE)
_INCLUDE = re.compile(r"""\.inc(?:lude)?\s+(?:"([^"]+)"|'([^']+)'|(\S+))\s*$""", re.IGNORECASE)


class Reader:
    """Reads the files of a library; `texts` are those that were read, by path."""

    def __init__(self) -> None:
        self.texts: dict[Path, str] = {}

    def cards(self, path: Path, section: str = "", depth: int = 0) -> Iterator[str]:
        """Cards of a file, or of a section of it, each with its continuation lines.

        Raises `CompileError` KC0720 for a file that cannot be read, a section that is not there, includes without an end.
        """
        if depth > MAX_DEPTH:
            raise broken(path, f"includes are nested deeper than {MAX_DEPTH} files")
        inside, found, held = not section, not section, ""
        for line in self.text(path).splitlines():
            word = line.strip()
            if word.startswith("+"):
                held += f"\n{word}" if held else ""
                continue
            if not word or word.startswith(("*", "$", ";")):
                continue  # comments and blank lines may stand between a card and its continuation
            if held:
                yield held
                held = ""
            lower = word.lower()
            if begins := _SECTION.match(word):
                inside = begins[1].strip("'\"").lower() == section.lower()
                found |= inside
            elif lower.startswith(".endl"):
                inside = not section
            elif not inside:
                continue
            elif choice := _CHOICE.match(word):
                name = choice[1] or choice[2] or choice[3]
                yield from self.cards(path.parent / name, choice[4].strip("'\""), depth + 1)
            elif include := _INCLUDE.match(word):
                yield from self.cards(path.parent / (include[1] or include[2] or include[3]), "", depth + 1)
            else:
                held = word
        if held:
            yield held
        if not found:
            raise broken(path, f"it has no section `{printable(section, 60)}`")

    def text(self, path: Path) -> str:
        """Text of a file, read once; raises `CompileError` KC0720."""
        if path not in self.texts:
            try:
                if path.stat().st_size > MAX_BYTES:
                    raise broken(path, f"it is larger than {MAX_BYTES >> 20} MiB")
                self.texts[path] = path.read_text(encoding="latin-1")
            except OSError as error:
                raise broken(path, f"it cannot be read: {error.strerror}") from error
        return self.texts[path]


def broken(path: Path, why: str) -> CompileError:
    """What is wrong with a file of a library."""
    return CompileError(Diagnostic("KC0720", f"{printable(str(path), 200)} is no model library that can be used: {why}",
                                   hint="an installation that was cut short is removed, and installed anew"))
