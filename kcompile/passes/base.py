"""What a pass is: a frozen dataclass whose fields are its options, a contract, and a pure `apply`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, NoReturn

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.units import REAL, Dimension, format_engineering


class Contract(Enum):
    """What a pass promises about the equations C dv/dt = i(v, t) of the circuit it gives."""

    EXACT = "exact"
    """The same right-hand side for every node and state that is left, to rounding."""
    BOUNDED = "bounded"
    """A right-hand side inside an error bound that the pass finds and says."""


def option(default: Any, what: str, dimension: Dimension = REAL) -> Any:
    """Field of a pass: its default, one sentence, and for a number its dimension (values are in SI units)."""
    return field(default=default, metadata={"what": what, "dimension": dimension})


@dataclass(frozen=True)
class Fact:
    """One number or text that a pass found; `before` where it changed a count."""

    name: str
    value: float | int | str
    unit: str = ""
    before: int | None = None

    def __str__(self) -> str:
        if self.before is not None:
            return f"{self.before:,} -> {self.value:,} {self.name}"
        shown = self.value if isinstance(self.value, str) else (
            f"{self.value:,}" if isinstance(self.value, int) else format_engineering(self.value, self.unit))
        return f"{self.name} {shown}"


def plain(value: Any) -> float | int | str:
    """A number of numpy as one of Python, and anything that is neither number nor text as a text."""
    if isinstance(value, np.generic | np.ndarray) and value.size == 1:
        value = value.item()
    return value if isinstance(value, float | int | str) else str(value)


class PassLog:
    """Facts of one run of a pass, in order, and results that other code reads, by name."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.results: dict[str, Any] = {}
        self.bounds: dict[str, Any] = {}
        """What a bounded pass promises: float64[nodes] by "rate", volts per second for every node."""

    def count(self, name: str, before: int, after: int) -> None:
        """A number of things before and after; nothing is said where it is the same."""
        if before != after:
            self.facts.append(Fact(name, int(after), before=int(before)))

    def fact(self, name: str, value: float | int | str, unit: str = "") -> None:
        self.facts.append(Fact(name, plain(value), unit))


@dataclass(frozen=True)
class Pass:
    """Base of every pass; a final class adds options as fields (see `option`) and gives `name`, `contract` and `apply`."""

    name: ClassVar[str]
    contract: ClassVar[Contract]

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        """The circuit after the pass; the one given is not changed."""
        raise NotImplementedError

    def refuse(self, message: str, hint: str = "") -> NoReturn:
        """Raise `UsageError` KC0803: options that do not fit together or the circuit."""
        raise UsageError(Diagnostic("KC0803", f"`{self.name}` {message}", hint=hint))

    def options(self) -> Iterator[tuple[str, Any]]:
        """(name, value) of each option."""
        yield from ((one.name, getattr(self, one.name)) for one in dataclasses.fields(self))

    def __str__(self) -> str:
        """The pass as pipelines write it: `prune{threshold=0.0001}`, defaults left out."""
        defaults = {one.name: one.default for one in dataclasses.fields(self)}
        given = [f"{name}={str(value).lower() if isinstance(value, bool) else value}"
                 for name, value in self.options() if value != defaults[name]]
        return self.name + (f"{{{','.join(given)}}}" if given else "")


def devices(circuit: Circuit) -> int:
    """Number of instances."""
    return sum(table.count for table in circuit.tables)
