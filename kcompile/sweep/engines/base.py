"""What an engine is, and what goes wrong on the way to a cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from kcompile.diagnostics import Diagnostic, ToolMissing, UsageError, printable


class Engine(Protocol):
    """A cluster behind joblib. prefixes: how its addresses begin; streams: whether joblib gets results one by one there."""

    name: str
    streams: bool
    prefixes: tuple[str, ...]

    def connected(self, address: str) -> AbstractContextManager[None]:
        """While it is entered, joblib sends its work there; raises `ToolMissing` KC0711, `UsageError` KC0581."""
        ...


def missing(package: str, extra: str) -> ToolMissing:
    """The error KC0711 for an engine."""
    return ToolMissing(Diagnostic("KC0711", f"this sweep needs {package}, which is not installed",
                                  hint=f"pip install 'kcompile[{extra}]'"))


def unreachable(address: str, error: Exception) -> UsageError:
    """The error KC0581 for an address."""
    return UsageError(Diagnostic("KC0581", f"no cluster answers at {printable(address, 80)}: {printable(str(error), 120)}"))
