"""PyTorch, where it is installed."""

from __future__ import annotations

from kcompile.diagnostics import Diagnostic, ToolMissing


def need_torch() -> None:
    """Raise `ToolMissing` KC0711 where it is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise ToolMissing(Diagnostic("KC0711", "training needs torch, which is not installed",
                                     hint="pip install 'kcompile[train]'; for the CPU build add "
                                     "--extra-index-url https://download.pytorch.org/whl/cpu")) from None
