"""kcompile: from a text of Kirchhoff's laws to a netlist that an outside simulator confirms."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# A subpackage takes its name in this module when it is first imported; `kc.lower`, `kc.sweep`, ... are the functions.
import kcompile.lower
import kcompile.sweep
import kcompile.train
import kcompile.verify  # noqa: F401
from kcompile.diagnostics import CompileError, Diagnostic, KcompileError, SimulatorFailed, Source, ToolMissing, UsageError
from kcompile.driver import check, compile, import_kirchhoffnet, import_torch, lower, simulate, sweep, train, verify

if TYPE_CHECKING:
    from kcompile.imports.base import Imported
    from kcompile.ir.circuit import Circuit
    from kcompile.passes.pipeline import Pipeline
    from kcompile.sim.result import Waveforms
    from kcompile.train.circuit_module import CircuitModule
    from kcompile.train.fit import Fit
    from kcompile.train.recipe import Recipe

__version__ = "0.1.0"

__all__ = ["Circuit", "CircuitModule", "CompileError", "Diagnostic", "Fit", "Imported", "KcompileError", "Pipeline", "Recipe",
           "SimulatorFailed", "Source", "ToolMissing", "UsageError", "Waveforms", "check", "compile", "import_kirchhoffnet",
           "import_torch", "lower", "simulate", "sweep", "train", "verify"]

_LATER = {"Circuit": "kcompile.ir.circuit", "CircuitModule": "kcompile.train.circuit_module", "Fit": "kcompile.train.fit",
          "Imported": "kcompile.imports.base", "Pipeline": "kcompile.passes.pipeline", "Recipe": "kcompile.train.recipe",
          "Waveforms": "kcompile.sim.result"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module `kcompile` has no attribute `{name}`")
    if _LATER[name] in ("kcompile.train.circuit_module", "kcompile.train.fit"):
        from kcompile.train.need_torch import need_torch

        need_torch()
    return getattr(importlib.import_module(_LATER[name]), name)
