"""Which backend runs a problem. The one place that knows all of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest
from kcompile.ir.circuit import Circuit
from kcompile.kernels.build import find_compiler
from kcompile.train.base import Backend, Problem
from kcompile.train.cpp_backend import AdaptiveRun, CppBackend
from kcompile.train.torch_adaptive import TorchAdaptive
from kcompile.train.torch_backend import TorchBackend
from kcompile.train.torch_compiled import CompiledBackend

BACKENDS: dict[str, Callable[[Problem], Backend]] = {"cpp": CppBackend, "torch": TorchBackend, "compiled": CompiledBackend}


def make_backend(name: str, problem: Problem, device: torch.device) -> Backend:
    """Backend of a name; `auto` is generated C++ for explicit steps on a processor with a compiler, and torch elsewhere.

    Raises `UsageError` KC0509, `ToolMissing` KC0717.
    """
    if name not in ("auto", *BACKENDS):
        raise UsageError(Diagnostic("KC0509", f"there is no backend `{name}`",
                                    hint=nearest(name, BACKENDS) or accepted(("auto", *BACKENDS))))
    explicit = not problem.method.diagonal
    if name in ("cpp", "compiled") and not explicit:
        raise UsageError(Diagnostic("KC0509", f"the backend `{name}` takes explicit steps, `{problem.method.name}` is implicit",
                                    hint="take `torch`, or `auto`"))
    fixed = explicit and not trains_capacitances(problem.system.circuit)
    if name == "cpp" and not (device.type == "cpu" and fixed):
        raise UsageError(Diagnostic("KC0509", "the backend `cpp` runs on processors, and takes no trainable capacitances",
                                    hint="take `torch`"))
    if name == "auto":
        name = "cpp" if device.type == "cpu" and fixed and find_compiler() is not None else "torch"
        if device.type == "cpu" and fixed and name == "torch":
            warnings.warn("there is no C++ compiler, so circuits run in torch, which takes 10 to 100 times as long; install g++",
                          stacklevel=2)
    return BACKENDS[name](problem)


def make_adaptive(name: str, problem: Problem, device: torch.device) -> AdaptiveRun | TorchAdaptive:
    """What chooses steps for the backend of that name: generated C++ where it can, and torch elsewhere.

    Generated C++ knows no waveforms: `auto` leaves circuits with them to torch, `cpp` refuses to run them.
    """
    if name == "auto" and not (problem.system.circuit.stimuli or any(table.waves for table in problem.system.circuit.tables)
                               or find_compiler() is None):
        name = "cpp"
    fixed = device.type == "cpu" and not trains_capacitances(problem.system.circuit)
    return AdaptiveRun(problem) if name == "cpp" and fixed else TorchAdaptive(problem)


def trains_capacitances(circuit: Circuit) -> bool:
    """Whether a capacitance depends on a parameter that may be trained."""
    shared = {one.name for one in circuit.shared if one.trainable}
    for table in circuit.tables:
        trained = {p.name for p in table.model.params if p.name not in table.fixed and (
            table.ties[p.name].shared in shared if p.name in table.ties else p.trainable)}
        if any(trained & set(map(str, branch.value.free_symbols)) for branch in table.model.law.capacitances):
            return True
    return False
