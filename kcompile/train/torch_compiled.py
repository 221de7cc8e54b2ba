"""The torch path with each step compiled by torch: the operations of a stage are fused, at the price of a C++ compiler."""

from __future__ import annotations

import os
import shutil

import torch
from torch import Tensor

from kcompile.diagnostics import Diagnostic, ToolMissing
from kcompile.train.base import Problem
from kcompile.train.torch_backend import Layout, TorchBackend


class CompiledBackend(TorchBackend):
    """Runs a problem with steps that are compiled when first used, some ten seconds for each slice and direction.

    Raises `UsageError` KC0552, `ToolMissing` KC0717.
    """

    name = "compiled"

    def __init__(self, problem: Problem) -> None:
        names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
        if not any(map(shutil.which, names)):
            raise ToolMissing(Diagnostic("KC0717", f"steps are compiled with {' or '.join(names)}, which is not found",
                                         hint="apt install g++, or backend=\"torch\""))
        super().__init__(problem)

    def _lay_out(self, like: Tensor) -> Layout:
        return Layout(self.problem, like, torch.compile)
