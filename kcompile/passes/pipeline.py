"""Passes in order: each circuit is verified before the first and after every one, and the guilty pass is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kcompile.diagnostics import CompileError, Diagnostic, KcompileError, Reporter, printable
from kcompile.ir.circuit import Circuit
from kcompile.ir.structure import check_structure
from kcompile.ir.verify import InvalidCircuit, verify
from kcompile.passes.base import Fact, Pass, PassLog


@dataclass(frozen=True)
class PassRun:
    """One pass that ran: what it found, its results by name, and the seconds it took."""

    one: Pass
    facts: tuple[Fact, ...]
    results: Mapping[str, Any]
    bounds: Mapping[str, Any]
    seconds: float

    def __str__(self) -> str:
        return f"{self.one}: {', '.join(map(str, self.facts)) or 'nothing to do'}"

    def record(self) -> dict[str, Any]:
        """The run as a manifest keeps it."""
        found = {"pass": self.one.name, "options": dict(self.one.options()), "contract": self.one.contract.value,
                 "facts": {fact.name: fact.value if fact.before is None else [fact.before, fact.value] for fact in self.facts}}
        bounds = {name: float(np.max(values, initial=0.0)) for name, values in self.bounds.items()}
        return {**found, "bounds": bounds} if bounds else found


@dataclass(frozen=True)
class Outcome:
    """The last circuit and what every pass did."""

    circuit: Circuit
    runs: tuple[PassRun, ...]

    @property
    def seed(self) -> int | None:
        """Seed of the first pass that drew random numbers."""
        return next((dict(run.one.options())["seed"] for run in self.runs if "seed" in dict(run.one.options())), None)


Watch = Callable[[PassRun, Circuit, Circuit], bool]
"""Called after each pass with the circuits before and after it; a true answer ends the pipeline there."""


@dataclass(frozen=True)
class Pipeline:
    """Passes in the order they run; `verify=False` trusts them, for speed."""

    passes: Sequence[Pass]
    verify: bool = True

    def apply(self, circuit: Circuit) -> Circuit:
        """The circuit after all passes; raises `CompileError` KC0806 naming the pass that breaks it."""
        return self.run(circuit).circuit

    def run(self, circuit: Circuit, watch: Watch | None = None) -> Outcome:
        """The circuit and the facts; raises like `apply`, and what a pass refuses."""
        if self.verify and self.passes:
            _examine(circuit, "the circuit was invalid before the first pass")
        runs: list[PassRun] = []
        for one in self.passes:
            before, log, started = circuit, PassLog(), time.perf_counter()
            circuit = _apply(one, before, log)
            if self.verify:
                _examine(circuit, f"the pass `{one.name}` made an invalid circuit")
                _compare_interface(one, before, circuit)
            runs.append(PassRun(one, tuple(log.facts), dict(log.results), dict(log.bounds), time.perf_counter() - started))
            if watch is not None and watch(runs[-1], before, circuit):
                break
        return Outcome(circuit, tuple(runs))

    def __str__(self) -> str:
        return ",".join(map(str, self.passes))


def _apply(one: Pass, circuit: Circuit, log: PassLog) -> Circuit:
    try:
        after = one.apply(circuit, log)
    except InvalidCircuit as error:
        raise _broken(f"the pass `{one.name}` made an invalid circuit", [str(error)]) from error
    except KcompileError:
        raise
    except Exception as error:
        raise failed(type(one), error) from error
    if not isinstance(after, Circuit):
        raise _broken(f"the pass `{one.name}` gave no circuit", [f"it gave a {type(after).__name__}"])
    for name, values in log.bounds.items():
        if np.asarray(values).dtype.kind not in "fiu":
            raise _broken(f"the pass `{one.name}` gave a bound `{printable(str(name), 40)}` that is no number", [])
    return after


def failed(one: type[Pass], error: Exception) -> Exception:
    """What to raise where the code of a pass did: KC0807 for one of a plugin, the error itself where the defect is ours."""
    if one.__module__.startswith("kcompile."):
        return error
    return CompileError(Diagnostic("KC0807", f"the pass `{one.name}` failed: {type(error).__name__}: "
                                   f"{printable(str(error), 300)}", notes=(_place(error),)))


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" if trace else "at no known place"


def _examine(circuit: Circuit, what: str) -> None:
    """Raise KC0806 where a circuit breaks an invariant or leaves a node without an equation."""
    try:
        verify(circuit)
    except InvalidCircuit as error:
        raise _broken(what, [str(error)]) from error
    report = Reporter()
    check_structure(circuit, report)
    if report.failed:
        raise _broken(what, [f"{found.code}: {found.message}" for found in report.diagnostics])


def _compare_interface(one: Pass, before: Circuit, after: Circuit) -> None:
    for word in ("ports", "inputs", "outputs"):
        old, new = len(getattr(before, word)), len(getattr(after, word))
        if old != new:
            raise _broken(f"the pass `{one.name}` changed the circuit's {word}", [f"there were {old}, now there are {new}"])
    if len(before.phases) != len(after.phases):
        raise _broken(f"the pass `{one.name}` changed the number of phases", [])


def _broken(what: str, notes: Iterable[str]) -> CompileError:
    return CompileError(Diagnostic("KC0806", what, notes=tuple(printable(note, 400) for note in notes)[:5],
                                   hint="this is a defect of the pass; leave it out with --passes"))
