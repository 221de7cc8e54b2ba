"""Circuits as differentiable modules: fixed steps, gradients of the discrete map, several backends behind one interface.

Everything here needs torch; importing it without raises `ToolMissing` KC0711.
"""

from kcompile.diagnostics import Diagnostic, ToolMissing

try:
    import torch  # noqa: F401
except ImportError:
    raise ToolMissing(Diagnostic("KC0711", "training needs torch, which is not installed",
                                 hint="pip install 'kcompile[train]'; for the CPU build add "
                                 "--extra-index-url https://download.pytorch.org/whl/cpu")) from None
