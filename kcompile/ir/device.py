"""Device models: terminals, parameters, states, and the law as sympy expressions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kcompile.diagnostics import Span
from kcompile.syntax import nodes
from kcompile.syntax.contribution import take_apart
from kcompile.units import Dimension

if TYPE_CHECKING:
    from kcompile.ir.expr import Law


@dataclass(frozen=True, slots=True)
class Interval:
    """Limits of a value in SI units; an open end is excluded."""

    lower: float = -math.inf
    upper: float = math.inf
    lower_closed: bool = False
    upper_closed: bool = False

    def holds(self, values: np.ndarray) -> np.ndarray:
        """bool of the shape of `values`: which lie inside. NaN never does; an infinite end is included."""
        above = values >= self.lower if self.lower_closed or self.lower == -math.inf else values > self.lower
        below = values <= self.upper if self.upper_closed or self.upper == math.inf else values < self.upper
        return above & below

    def __str__(self) -> str:
        return (f"{'[' if self.lower_closed else '('}{self.lower!r}, {self.upper!r}"
                f"{']' if self.upper_closed else ')'}")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a device, in SI units; a waveform parameter has no default value, a kind and arguments instead."""

    name: str
    dimension: Dimension
    default: float | None
    interval: Interval
    trainable: bool
    integral: bool
    waveform: nodes.Call | None
    span: Span


@dataclass(frozen=True, slots=True)
class State:
    name: str
    dimension: Dimension
    span: Span


@dataclass(frozen=True)
class DeviceModel:
    """One law, shared by all its instances.

    `definition` is the checked source of the law, `constants` the values of the named constants it may say, `dimensions`
    the dimensions of those, None for what fits every dimension.
    """

    name: str
    terminals: tuple[str, ...]
    params: tuple[Param, ...]
    states: tuple[State, ...]
    definition: nodes.Device = field(repr=False)
    constants: tuple[tuple[str, float], ...] = field(repr=False)
    dimensions: tuple[tuple[str, Dimension | None], ...] = field(repr=False)

    @cached_property
    def law(self) -> Law:
        """The law in sympy; made on first use, because importing sympy takes longer than checking a program."""
        from kcompile.ir.expr import build_law

        return build_law(self)

    @cached_property
    def has_charge(self) -> bool:
        return any(take_apart(item.value).charges for item in self.definition.items
                   if isinstance(item, nodes.Contribution))

    @property
    def waveforms(self) -> tuple[Param, ...]:
        return tuple(param for param in self.params if param.waveform is not None)
