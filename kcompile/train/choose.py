"""Which backend runs a problem. The one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest
from kcompile.train.base import Backend, Problem
from kcompile.train.torch_backend import TorchBackend
from kcompile.train.torch_compiled import CompiledBackend

BACKENDS: dict[str, Callable[[Problem], Backend]] = {"torch": TorchBackend, "compiled": CompiledBackend}


def make_backend(name: str, problem: Problem) -> Backend:
    """Backend of a name; `auto` is the fastest that starts at once. Raises `UsageError` KC0509, `ToolMissing` KC0717."""
    if name not in ("auto", *BACKENDS):
        raise UsageError(Diagnostic("KC0509", f"there is no backend `{name}`",
                                    hint=nearest(name, BACKENDS) or accepted(("auto", *BACKENDS))))
    return BACKENDS["torch" if name == "auto" else name](problem)
