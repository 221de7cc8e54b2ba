"""Dependency files: what outputs were made from, as make and ninja read it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kcompile.diagnostics import Diagnostic, UsageError, printable

_ESCAPED = re.compile(r"(\\*)([ #:])")
_REFUSED = re.compile(r"[;|=()%\x00-\x1f\x7f]|\\$")
"""What make takes for its own in a name, whatever stands before it."""


def format_depfile(outputs: Iterable[Path], inputs: Iterable[Path]) -> str:
    """Text of one rule: outputs, a colon, inputs. Each input has an empty rule too, so that make goes on where it is gone.

    Raises `UsageError` KC0513 for a name that make cannot read.
    """
    needed = [_escape(path) for path in dict.fromkeys(inputs)]
    rule = " \\\n".join([*map(_escape, outputs)]) + ": \\\n" + " \\\n".join(f"  {name}" for name in needed)
    return rule + "\n" + "".join(f"\n{name}:\n" for name in needed)


def files_of(name: str | None) -> tuple[Path, ...]:
    """A file, or those in a folder; none where a name is that of neither, as a data set of a package."""
    path = Path(name or "")
    if name and path.is_dir():
        return tuple(sorted(one for one in path.iterdir() if one.is_file()))
    return (path,) if name and path.is_file() else ()


def named_from(path: Path, folders: Iterable[Path]) -> Path:
    """An absolute path as a user would write it: from the first of the folders that it lies in, or as it is."""
    for folder in folders:
        if path.is_relative_to(folder.resolve()):
            return folder / path.relative_to(folder.resolve())
    return path


def _escape(path: Path) -> str:
    text = str(path)
    if _REFUSED.search(text):
        raise UsageError(Diagnostic("KC0513", f"a dependency file cannot name `{printable(text, 80)}`",
                                    hint="make has its own meaning for `;`, `|`, `=`, `%` and parentheses"))
    # Backslashes count only before what is escaped.
    return _ESCAPED.sub(r"\1\1\\\2", text).replace("$", "$$")
