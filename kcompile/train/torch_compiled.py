"""The torch path with each step compiled by torch: the operations of a stage are fused, at the price of a C++ compiler."""

from __future__ import annotations

import torch
from torch import Tensor

from kcompile.diagnostics import Diagnostic, ToolMissing
from kcompile.kernels.build import find_compiler
from kcompile.train.base import Problem
from kcompile.train.torch_backend import Layout, TorchBackend


class CompiledBackend(TorchBackend):
    """Runs a problem with steps that are compiled when first used, some ten seconds for each slice and direction.

    Raises `UsageError` KC0552, `ToolMissing` KC0717.
    """

    name = "compiled"

    def __init__(self, problem: Problem) -> None:
        if find_compiler() is None:
            raise ToolMissing(Diagnostic("KC0717", "torch compiles steps with a C++ compiler, and there is none",
                                         hint="install g++, or take backend=\"torch\""))
        super().__init__(problem)

    def _lay_out(self, like: Tensor) -> Layout:
        return Layout(self.problem, like, torch.compile)
